//! What a case is about, how sensitive it is and how soon somebody must look: the words that every part
//! shares. Knows nothing of how they are found, stored or shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who must not see a case. Ordered: a greater one hides more. The machine only ever raises it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    #[default]
    Standard,
    Confidential,
    Restricted,
}

/// How soon somebody must look. Ordered: a greater one is sooner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

/// What a case is about. The names are the configuration's own; [`DEFAULT_CATEGORIES`] are what we ship.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Category(String);

/// The categories of an organisation that has not set its own.
pub const DEFAULT_CATEGORIES: [&str; 11] = [
    "payroll",
    "leave",
    "benefits",
    "policy",
    "documents",
    "general",
    "grievance",
    "harassment",
    "misconduct",
    "compliance",
    "health",
];

/// A word that is none of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    #[error("a category is 1 to 40 lower-case letters, digits and hyphens and starts with a letter")]
    Category,
    #[error("a sensitivity is standard, confidential or restricted")]
    Sensitivity,
    #[error("a priority is low, normal, high or urgent")]
    Priority,
}

impl Sensitivity {
    /// The word used in configuration, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

impl Priority {
    /// The word used in configuration, API and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

impl Category {
    /// Where a case goes of which nothing is known.
    pub fn general() -> Self {
        Self("general".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sensitivity {
    type Err = KindError;

    fn from_str(word: &str) -> Result<Self, KindError> {
        [Self::Standard, Self::Confidential, Self::Restricted]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(KindError::Sensitivity)
    }
}

impl FromStr for Priority {
    type Err = KindError;

    fn from_str(word: &str) -> Result<Self, KindError> {
        [Self::Low, Self::Normal, Self::High, Self::Urgent]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(KindError::Priority)
    }
}

impl FromStr for Category {
    type Err = KindError;

    fn from_str(word: &str) -> Result<Self, KindError> {
        let starts = word.starts_with(|c: char| c.is_ascii_lowercase());
        let holds = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if starts && holds && word.len() <= 40 { Ok(Self(word.to_owned())) } else { Err(KindError::Category) }
    }
}

impl TryFrom<String> for Category {
    type Error = KindError;

    fn try_from(word: String) -> Result<Self, KindError> {
        word.parse()
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.0
    }
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        for word in ["standard", "confidential", "restricted"] {
            assert_eq!(word.parse::<Sensitivity>().unwrap().to_string(), word);
            assert_eq!(
                serde_json::to_string(&word.parse::<Sensitivity>().unwrap()).unwrap(),
                format!("\"{word}\"")
            );
        }
        for word in ["low", "normal", "high", "urgent"] {
            assert_eq!(word.parse::<Priority>().unwrap().to_string(), word);
            assert_eq!(
                serde_json::to_string(&word.parse::<Priority>().unwrap()).unwrap(),
                format!("\"{word}\"")
            );
        }
        for word in DEFAULT_CATEGORIES {
            assert_eq!(word.parse::<Category>().unwrap().as_str(), word);
        }
    }

    #[test]
    fn other_words_are_refused() {
        assert_eq!("Secret".parse::<Sensitivity>(), Err(KindError::Sensitivity));
        assert_eq!("URGENT".parse::<Priority>(), Err(KindError::Priority));
        for word in ["", "Pay", "1st", "pay roll", "pay\n", &"a".repeat(41)] {
            assert_eq!(word.parse::<Category>(), Err(KindError::Category), "{word:?}");
        }
        assert!(serde_json::from_str::<Category>("\"PAY ROLL\"").is_err());
    }

    #[test]
    fn greater_is_more_careful() {
        assert!(Sensitivity::Standard < Sensitivity::Confidential);
        assert!(Sensitivity::Confidential < Sensitivity::Restricted);
        assert!(Priority::Low < Priority::Normal && Priority::Normal < Priority::High);
        assert!(Priority::High < Priority::Urgent);
    }
}
