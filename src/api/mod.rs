//! stub
use crate::{
    desk::{Desk, Shared},
    intake::{poll::Pulse, prepare::Preparation},
    store::Store,
};
use std::sync::Arc;
pub struct Api {
    pub store: Store,
    pub desk: Desk,
    pub shared: Arc<Shared>,
    pub preparation: Arc<Preparation>,
    pub pulses: Vec<(String, Arc<Pulse>)>,
}
pub fn openapi() -> utoipa::openapi::OpenApi {
    utoipa::openapi::OpenApi::default()
}
pub fn serve(
    _api: Api,
    listener: std::net::TcpListener,
    _s: &crate::settings::Api,
) -> std::io::Result<actix_web::dev::Server> {
    Ok(actix_web::HttpServer::new(actix_web::App::new).disable_signals().workers(1).listen(listener)?.run())
}
