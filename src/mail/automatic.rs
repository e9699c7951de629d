use super::Automatic;
pub fn automatic(_message: &mail_parser::Message<'_>, _text: &str) -> Automatic {
    Automatic::None
}
