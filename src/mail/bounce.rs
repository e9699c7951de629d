use super::Bounced;
pub fn bounced(_message: &mail_parser::Message<'_>, _text: &str) -> Vec<Bounced> {
    Vec::new()
}
