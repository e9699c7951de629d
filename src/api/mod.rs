//! stub
use std::sync::Arc;
use crate::{store::Store, desk::{Desk, Shared}, intake::{prepare::Preparation, poll::Pulse}};
pub struct Api { pub store: Store, pub desk: Desk, pub shared: Arc<Shared>, pub preparation: Arc<Preparation>, pub pulses: Vec<(String, Arc<Pulse>)> }
pub fn openapi() -> utoipa::openapi::OpenApi { utoipa::openapi::OpenApi::default() }
pub fn serve(_api: Api, listener: std::net::TcpListener, _s: &crate::settings::Api) -> std::io::Result<actix_web::dev::Server> {
    Ok(actix_web::HttpServer::new(actix_web::App::new).disable_signals().workers(1).listen(listener)?.run())
}
