//! stub
pub struct Tokens;
impl Tokens { pub fn new(_: &crate::settings::OauthSettings) -> Result<Self, crate::settings::SettingsError> { Ok(Self) } }
#[async_trait::async_trait]
impl crate::delivery::AccessToken for Tokens { async fn access_token(&self) -> Result<secrecy::SecretString, crate::delivery::TokenError> { Err(crate::delivery::TokenError::Unavailable("stub".into())) } }
