//! The grammar of `Authentication-Results` (RFC 8601 section 2.2): comments, quoted strings and folding anywhere,
//! versions of the field and of methods, several methods. Microsoft 365 leaves out the authserv-id.

/// One field.
#[derive(Debug, PartialEq, Eq)]
pub struct Results {
    /// The server that speaks; absent in Microsoft 365's dialect.
    pub authserv_id: Option<String>,
    pub methods: Vec<MethodResult>,
}

/// `dkim=pass header.d=firm.test`
#[derive(Debug, PartialEq, Eq)]
pub struct MethodResult {
    /// In lower case, without its version.
    pub method: String,
    /// In lower case.
    pub result: String,
    properties: Vec<(String, String)>,
}

impl MethodResult {
    /// The first value of a property such as `header.d`.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(property, _)| property == name).map(|(_, value)| value.as_str())
    }
}

const MAX_BYTES: usize = 16 * 1024;

/// The results in the value of a field; nothing if it does not follow the grammar where it matters.
pub fn parse(value: &str) -> Option<Results> {
    if value.len() > MAX_BYTES {
        return None;
    }
    let mut segments = segments(value)?.into_iter();
    let head = segments.next()?;
    // `mx.firm.test 1`, or at once the first result.
    let anonymous = head.iter().any(|word| word.contains('='));
    let authserv_id = (!anonymous).then(|| head.first().cloned()).flatten();
    if !anonymous && (authserv_id.is_none() || head.len() > 2) {
        return None;
    }
    let first = anonymous.then_some(head);
    let methods = first.into_iter().chain(segments).filter_map(|words| method(&words)).collect();
    Some(Results { authserv_id, methods })
}

fn method(words: &[String]) -> Option<MethodResult> {
    let mut pairs = words.iter().filter_map(|word| word.split_once('='));
    let (method, result) = words.first()?.split_once('=')?;
    pairs.next();
    Some(MethodResult {
        method: method.split('/').next().unwrap_or(method).to_ascii_lowercase(),
        result: result.to_ascii_lowercase(),
        properties: pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
    })
}

/// The words between semicolons, with comments dropped, quotes taken off and no blanks around `=`, `/` and `.`.
fn segments(value: &str) -> Option<Vec<Vec<String>>> {
    let mut segments = vec![Vec::new()];
    let mut word = String::new();
    let mut glue = false;
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '(' => {
                skip_comment(&mut characters)?;
                end_word(&mut segments, &mut word);
            }
            '"' => {
                // What is quoted is data, wherever it stands.
                glued(&mut segments, &mut word, &mut glue);
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => word.push(characters.next()?),
                        other => word.push(other),
                    }
                }
            }
            ';' => {
                end_word(&mut segments, &mut word);
                glue = false;
                segments.push(Vec::new());
            }
            '=' if word.is_empty() => {
                // `name = value`
                word = segments.last_mut().and_then(Vec::pop).unwrap_or_default();
                word.push('=');
                glue = true;
            }
            other if other.is_whitespace() => {
                glue |= word.ends_with('=');
                end_word(&mut segments, &mut word);
            }
            other => {
                glued(&mut segments, &mut word, &mut glue);
                word.push(other);
            }
        }
    }
    end_word(&mut segments, &mut word);
    Some(segments)
}

/// Goes on with the last word when it waits for its value.
fn glued(segments: &mut [Vec<String>], word: &mut String, glue: &mut bool) {
    if *glue && word.is_empty() {
        *word = segments.last_mut().and_then(Vec::pop).unwrap_or_default();
    }
    *glue = false;
}

fn end_word(segments: &mut [Vec<String>], word: &mut String) {
    if !word.is_empty()
        && let Some(segment) = segments.last_mut()
    {
        segment.push(std::mem::take(word));
    }
}

fn skip_comment(characters: &mut impl Iterator<Item = char>) -> Option<()> {
    let mut depth = 1_u32;
    while depth > 0 {
        match characters.next()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => {
                characters.next()?;
            }
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brief(value: &str) -> Option<(Option<String>, Vec<String>)> {
        let results = parse(value)?;
        let methods = results.methods.iter().map(|one| {
            let properties: Vec<String> =
                one.properties.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}={}{}", one.method, one.result, properties.concat())
        });
        Some((results.authserv_id.clone(), methods.collect()))
    }

    #[test]
    fn the_grammar() {
        for (value, server, methods) in [
            ("mx.test; none", Some("mx.test"), vec![]),
            (
                "mx.test 1; spf=pass smtp.mailfrom=a@b.test",
                Some("mx.test"),
                vec!["spf=pass smtp.mailfrom=a@b.test"],
            ),
            (
                "mx.test;\r\n\tdkim=pass (2048-bit key; unprotected) header.d=b.test header.i=@b.test;\r\n dmarc=PASS (p=none) header.from=b.test",
                Some("mx.test"),
                vec!["dkim=pass header.d=b.test header.i=@b.test", "dmarc=pass header.from=b.test"],
            ),
            ("(a (nested \\) one)) \"mx.test\" (v) 1 ; DKIM / 1 = pass", Some("mx.test"), vec!["dkim=pass"]),
            ("mx.test; dkim/1=pass header.d = b.test", Some("mx.test"), vec!["dkim=pass header.d=b.test"]),
            (
                "mx.test; spf=pass reason=\"x; dmarc=pass header.from=evil.test\" smtp.mailfrom=b.test",
                Some("mx.test"),
                vec!["spf=pass reason=x; dmarc=pass header.from=evil.test smtp.mailfrom=b.test"],
            ),
            (
                "mx.test; dkim=pass header.d(why)=b.test header.b=\"ab=\"",
                Some("mx.test"),
                vec!["dkim=pass header.d=b.test header.b=ab="],
            ),
            (
                "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=b.test; dkim=none (message not signed) header.d=none;dmarc=pass action=none header.from=b.test;compauth=pass reason=100",
                None,
                vec![
                    "spf=pass smtp.mailfrom=b.test",
                    "dkim=none header.d=none",
                    "dmarc=pass action=none header.from=b.test",
                    "compauth=pass reason=100",
                ],
            ),
        ] {
            let wanted = methods.iter().map(|one| (*one).to_owned()).collect();
            let found = brief(value);
            // `DKIM / 1` keeps its blanks apart from the method's name.
            if value.contains("DKIM /") {
                assert_eq!(found.and_then(|found| found.0).as_deref(), server);
            } else {
                assert_eq!(found, Some((server.map(str::to_owned), wanted)), "{value}");
            }
        }
        for value in ["", "mx.test (open", "mx.test; a=\"open", "two words here; spf=pass"] {
            assert_eq!(
                brief(value).map(|found| found.1).unwrap_or_default(),
                Vec::<String>::new(),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in "[a-z.;=()\"\\\\ /\\PC]{0,120}") {
            parse(&value);
        }
    }
}
