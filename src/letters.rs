//! The words of what we send: one letter for each occasion and language, from templates that are part of the
//! program and may be replaced by files. A template gets what its occasion may tell and no more, so that not even
//! an own template can make an acknowledgement repeat what somebody wrote. Knows no mail format and no cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

/// What a template file may hold, bytes.
const LARGEST: u64 = 256 * 1024;
const LAST_RESORT: &str = "en";
const PARTS: [&str; 3] = ["subject.txt", "body.txt", "body.html"];

/// The occasion of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// To an employee: it arrived, its reference, what happens next. The same for every category and route.
    Acknowledgement,
    /// To an address that nobody vouches for: neutral.
    AcknowledgementUnverified,
    /// A person's words to a party.
    Answer,
    /// To a case's owner: reference and link.
    Notification,
    /// A deadline of a case is near.
    Reminder,
    /// A deadline of a case has passed.
    Overdue,
    /// To a case's owner and a guardian: somebody broke the glass. Reference and link.
    BreakGlass,
    /// To a guardian: somebody in HR was given rights without a second person. Names nobody.
    Rights,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Acknowledgement,
        Self::AcknowledgementUnverified,
        Self::Answer,
        Self::Notification,
        Self::Reminder,
        Self::Overdue,
        Self::BreakGlass,
        Self::Rights,
    ];

    /// The name of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acknowledgement => "acknowledgement",
            Self::AcknowledgementUnverified => "acknowledgement-unverified",
            Self::Answer => "answer",
            Self::Notification => "notification",
            Self::Reminder => "reminder",
            Self::Overdue => "overdue",
            Self::BreakGlass => "break-glass",
            Self::Rights => "rights",
        }
    }
}

/// What letters are filled with. Each [`Kind`] takes only its own.
#[derive(Clone, Debug, Default)]
pub struct Values<'a> {
    pub organisation: &'a str,
    /// ISO 639-1, for readers whose own language has no letter.
    pub organisation_language: &'a str,
    /// Display name of who writes (mailbox or team); the organisation when not given.
    pub sender: Option<&'a str>,
    /// `HR-7K3M-9QXD`
    pub reference: &'a str,
    /// Answer: the subject line to keep, `Re:` included where due. Give it in a standard case only.
    pub subject: Option<&'a str>,
    /// Answer: what the person wrote. Required there.
    pub text: Option<&'a str>,
    /// Notices to HR: where to look.
    pub link: Option<&'a str>,
}

/// A letter ready to be composed into a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// One sentence with file, line and remedy; never what was filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LettersError(pub String);

/// All letters, compiled and tried once.
#[derive(Debug)]
pub struct Letters {
    templates: Environment<'static>,
    languages: BTreeSet<(Kind, String)>,
}

impl Letters {
    /// The built-in letters, replaced file by file by `<overrides>/<kind>/<language>/<part>`, where a new language
    /// needs all three parts. Refuses what does not compile or does not render with sample values.
    pub fn load(overrides: Option<&Path>) -> Result<Self, LettersError> {
        let mut sources = BTreeMap::new();
        for (kind, language, parts) in BUILT_IN {
            for (part, text) in PARTS.iter().zip(parts) {
                let origin = "built-in template".to_owned();
                sources.insert(
                    (*kind, (*language).to_owned(), *part),
                    Source { text: (*text).to_owned(), origin },
                );
            }
        }
        if let Some(directory) = overrides {
            files::read(directory, &mut sources)?;
        }
        let languages: BTreeSet<_> =
            sources.keys().map(|(kind, language, _)| (*kind, language.clone())).collect();
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for ((kind, language, part), source) in &sources {
            templates
                .add_template_owned(path(*kind, language, part), source.text.clone())
                .map_err(|error| source.refuse(*kind, language, part, &error))?;
        }
        let letters = Self { templates, languages };
        letters.check(&sources)?;
        Ok(letters)
    }

    /// The letter in this language (`de`, `de-AT`), else in the organisation's, else in English.
    pub fn render(&self, kind: Kind, language: &str, values: &Values) -> Result<Letter, LettersError> {
        let language = self.language(kind, language, values.organisation_language);
        let context = values.told(kind);
        let part = |part| {
            self.part(kind, &language, part, &context).map_err(|error| {
                // The detail may quote a value.
                let (file, line) = (path(kind, &language, part), error.line().unwrap_or(0));
                LettersError(format!(
                    "mail template {file} line {line}: {}; check what it needs",
                    error.kind()
                ))
            })
        };
        Ok(Letter { subject: part("subject.txt")?, text: part("body.txt")?, html: part("body.html")? })
    }

    fn language(&self, kind: Kind, wanted: &str, organisation: &str) -> String {
        let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let candidates = [primary(wanted), primary(organisation)];
        candidates
            .into_iter()
            .find(|language| self.languages.contains(&(kind, language.clone())))
            .unwrap_or_else(|| LAST_RESORT.to_owned())
    }

    fn part(
        &self,
        kind: Kind,
        language: &str,
        part: &str,
        context: &Value,
    ) -> Result<String, minijinja::Error> {
        let text = self.templates.get_template(&path(kind, language, part))?.render(context)?;
        Ok(match part {
            "subject.txt" => text.trim().to_owned(),
            _ => format!("{}\n", text.trim_end()),
        })
    }

    fn check(&self, sources: &Sources) -> Result<(), LettersError> {
        let full = Values {
            organisation: "Sample & Sons",
            sender: Some("People Team"),
            reference: "HR-7K3M-9QXD",
            subject: Some("Re: Sample"),
            text: Some("Sample text\nin two lines"),
            link: Some("https://hr.example/"),
            ..Values::default()
        };
        let sparse = Values { sender: None, subject: None, link: None, ..full.clone() };
        for ((kind, language, part), source) in sources {
            for values in [&full, &sparse] {
                let rendered = self
                    .part(*kind, language, part, &values.told(*kind))
                    .map_err(|error| source.refuse(*kind, language, part, &error))?;
                if *part == "subject.txt" && (rendered.is_empty() || rendered.contains('\n')) {
                    return Err(LettersError(format!(
                        "{}: a subject is one line; correct it",
                        source.origin
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Values<'_> {
    /// What the templates of this kind may know (DESIGN, promise 7). Anything else is undefined in them.
    fn told(&self, kind: Kind) -> Value {
        let Self { organisation, reference, link, .. } = self;
        let sender = self.sender.unwrap_or(organisation);
        match kind {
            Kind::Acknowledgement | Kind::AcknowledgementUnverified => {
                context! { organisation, sender, reference }
            }
            Kind::Rights => context! { organisation, sender },
            Kind::Notification | Kind::Reminder | Kind::Overdue | Kind::BreakGlass => {
                context! { organisation, sender, reference, link }
            }
            Kind::Answer => {
                // The template puts the reference there; a subject that came back has it already.
                let tag = format!("[{reference}]");
                let subject = self.subject.map(|subject| subject.replace(&tag, "").trim().to_owned());
                let subject = subject.filter(|subject| !subject.is_empty());
                match self.text {
                    Some(text) => context! { organisation, sender, reference, subject, text },
                    None => context! { organisation, sender, reference, subject },
                }
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

type Sources = BTreeMap<(Kind, String, &'static str), Source>;

struct Source {
    text: String,
    /// For errors: the file.
    origin: String,
}

impl Source {
    fn refuse(&self, kind: Kind, language: &str, part: &str, error: &minijinja::Error) -> LettersError {
        let line = error.line().unwrap_or(0);
        let what = error
            .detail()
            .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        let remedy = match error.kind() {
            ErrorKind::UndefinedError => {
                format!("a template of `{kind}` may only use what the built-in one uses")
            }
            _ => format!("correct it, or remove it to use the built-in {}", path(kind, language, part)),
        };
        LettersError(format!("{} line {line}: {what}; {remedy}", self.origin))
    }
}

fn path(kind: Kind, language: &str, part: &str) -> String {
    format!("{kind}/{language}/{part}")
}

macro_rules! letter {
    ($kind:ident, $directory:literal, $language:literal) => {
        (
            Kind::$kind,
            $language,
            [
                include_str!(concat!("../templates/mail/", $directory, "/", $language, "/subject.txt")),
                include_str!(concat!("../templates/mail/", $directory, "/", $language, "/body.txt")),
                include_str!(concat!("../templates/mail/", $directory, "/", $language, "/body.html")),
            ],
        )
    };
}

const BUILT_IN: &[(Kind, &str, [&str; 3])] = &[
    letter!(Acknowledgement, "acknowledgement", "de"),
    letter!(Acknowledgement, "acknowledgement", "en"),
    letter!(Acknowledgement, "acknowledgement", "es"),
    letter!(Acknowledgement, "acknowledgement", "fr"),
    letter!(AcknowledgementUnverified, "acknowledgement-unverified", "de"),
    letter!(AcknowledgementUnverified, "acknowledgement-unverified", "en"),
    letter!(AcknowledgementUnverified, "acknowledgement-unverified", "es"),
    letter!(AcknowledgementUnverified, "acknowledgement-unverified", "fr"),
    letter!(Answer, "answer", "de"),
    letter!(Answer, "answer", "en"),
    letter!(Answer, "answer", "es"),
    letter!(Answer, "answer", "fr"),
    letter!(BreakGlass, "break-glass", "de"),
    letter!(BreakGlass, "break-glass", "en"),
    letter!(BreakGlass, "break-glass", "es"),
    letter!(BreakGlass, "break-glass", "fr"),
    letter!(Rights, "rights", "de"),
    letter!(Rights, "rights", "en"),
    letter!(Rights, "rights", "es"),
    letter!(Rights, "rights", "fr"),
    letter!(Notification, "notification", "de"),
    letter!(Notification, "notification", "en"),
    letter!(Notification, "notification", "es"),
    letter!(Notification, "notification", "fr"),
    letter!(Reminder, "reminder", "de"),
    letter!(Reminder, "reminder", "en"),
    letter!(Reminder, "reminder", "es"),
    letter!(Reminder, "reminder", "fr"),
    letter!(Overdue, "overdue", "de"),
    letter!(Overdue, "overdue", "en"),
    letter!(Overdue, "overdue", "es"),
    letter!(Overdue, "overdue", "fr"),
];

/// Own templates on disk. A name that means nothing is refused: it would be a template that is never used.
mod files {
    use std::path::PathBuf;

    use super::*;

    pub(super) fn read(directory: &Path, sources: &mut Sources) -> Result<(), LettersError> {
        for (name, path) in entries(directory)? {
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
                let known = Kind::ALL.map(Kind::name).join(", ");
                return Err(refuse(&path, &format!("no such kind of letter; there are {known}")));
            };
            for (language, path) in entries(&path)? {
                let is_language =
                    matches!(language.len(), 2 | 3) && language.bytes().all(|b| b.is_ascii_lowercase());
                if !is_language {
                    return Err(refuse(&path, "not a language; expected an ISO 639 code such as `it`"));
                }
                read_letter(&path, kind, &language, sources)?;
            }
        }
        Ok(())
    }

    fn read_letter(
        directory: &Path,
        kind: Kind,
        language: &str,
        sources: &mut Sources,
    ) -> Result<(), LettersError> {
        for (name, path) in entries(directory)? {
            let Some(part) = PARTS.into_iter().find(|part| *part == name) else {
                return Err(refuse(&path, &format!("no part of a letter; there are {}", PARTS.join(", "))));
            };
            let size = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.len();
            if size > LARGEST {
                return Err(refuse(&path, "too large for a letter; 256 KiB are allowed"));
            }
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            sources.insert(
                (kind, language.to_owned(), part),
                Source { text, origin: path.display().to_string() },
            );
        }
        match PARTS.into_iter().find(|part| !sources.contains_key(&(kind, language.to_owned(), *part))) {
            Some(missing) => {
                Err(refuse(&directory.join(missing), "missing; a new language needs all three parts"))
            }
            None => Ok(()),
        }
    }

    /// By name, without hidden files and editors' copies.
    fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, LettersError> {
        let listed = std::fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|error| unreadable(directory, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && !name.ends_with('~') {
                entries.push((name, entry.path()));
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn refuse(path: &Path, what: &str) -> LettersError {
        LettersError(format!("mail template {}: {what}", path.display()))
    }

    fn unreadable(path: &Path, error: &std::io::Error) -> LettersError {
        refuse(
            path,
            &format!("cannot be read ({error}); make it readable to the daemon or correct templates_dir"),
        )
    }
}

#[cfg(test)]
#[path = "letters_tests.rs"]
mod tests;
