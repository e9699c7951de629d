pub struct Context {
    pub is_reply: bool,
}
pub fn new_text(text: &str, _context: Context) -> String {
    text.to_owned()
}
