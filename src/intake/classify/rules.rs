//! The rules, compiled into one set that reads a sentence in one pass. They are checked against their own examples
//! when they are loaded; what their evidence is worth is none of their business.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::config::{RuleEntry, RuleError, RuleFile, Source, SpeaksFor};
use super::language::Languages;
use super::text::{Sentence, fold_pattern, sentences};

/// Memory that one thread's matching may take; beyond it the engine gets slower, never wrong.
const DFA_BYTES: usize = 32 << 20;

pub struct Rules {
    set: RegexSet,
    rules: Vec<Rule>,
}

pub struct Rule {
    pub id: String,
    pub speaks_for: SpeaksFor,
    pub weight: f32,
    languages: Languages,
    regex: Regex,
    excuses: Vec<String>,
}

impl Rules {
    pub fn compile(files: &[Source<RuleFile>]) -> Result<Self, RuleError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut patterns = Vec::new();
        for source in files {
            for entry in &source.file.rules {
                let (rule, pattern) = compile(source, entry)?;
                if rules.iter().any(|other| other.id == rule.id) {
                    return Err(source.error(&entry.id.span(), "another rule has this id; give it its own"));
                }
                rules.push(rule);
                patterns.push(pattern);
            }
        }
        for (source, entry) in
            files.iter().flat_map(|source| source.file.rules.iter().map(move |e| (source, e)))
        {
            let known = |prefix: &String| rules.iter().any(|rule| rule.id.starts_with(prefix.as_str()));
            if !entry.excuses.iter().all(known) {
                return Err(
                    source.error(&entry.id.span(), "excuses a rule that does not exist; correct its id")
                );
            }
        }
        let set = RegexSetBuilder::new(patterns)
            .unicode(false)
            .dfa_size_limit(DFA_BYTES)
            .size_limit(DFA_BYTES)
            .build()
            .map_err(|error| {
                RuleError(format!("the rules together are too large: {error}; simplify them"))
            })?;
        Ok(Self { set, rules })
    }

    /// The rules that speak in `sentence`, without those that another one excuses.
    pub fn speaking(&self, sentence: &Sentence) -> Vec<&Rule> {
        let matched = self.set.matches(sentence.text.as_bytes());
        if !matched.matched_any() {
            return Vec::new();
        }
        let languages = Languages::of(sentence);
        let found = matched.iter().filter_map(|at| self.rules.get(at));
        let found: Vec<&Rule> = found.filter(|rule| rule.languages.meet(languages)).collect();
        let excused = |rule: &Rule| {
            found.iter().flat_map(|other| &other.excuses).any(|prefix| rule.id.starts_with(prefix.as_str()))
        };
        found.iter().copied().filter(|rule| !excused(rule)).collect()
    }
}

impl Rule {
    /// What `original` says where this rule matches in `sentence`.
    pub fn quote(&self, sentence: &Sentence, original: &str) -> Option<String> {
        let found = self.regex.find(sentence.text.as_bytes())?;
        // The match begins and ends with the spaces around its words.
        Some(sentence.quote(original, found.start() + 1..found.end().saturating_sub(1)))
    }

    fn matches(&self, text: &str) -> bool {
        sentences(text).iter().any(|sentence| self.regex.is_match(sentence.text.as_bytes()))
    }
}

/// The rule and the pattern it was compiled from.
fn compile(source: &Source<RuleFile>, entry: &RuleEntry) -> Result<(Rule, String), RuleError> {
    let refuse =
        |what: &str| Err(source.error(&entry.id.span(), &format!("rule {}: {what}", entry.id.get_ref())));
    if entry.lang.is_empty() || entry.id.get_ref().is_empty() {
        return refuse("id and lang must not be empty");
    }
    if entry.examples.is_empty() {
        return refuse("has no examples; give at least one sentence that it must match");
    }
    let pattern = format!(" (?:{}) ", fold_pattern(&expand(&entry.pattern, source)));
    let regex = match RegexBuilder::new(&pattern).unicode(false).size_limit(DFA_BYTES).build() {
        Ok(regex) => regex,
        Err(error) => {
            let reason = error.to_string();
            return refuse(&format!(
                "{}; correct the pattern",
                reason.lines().last().unwrap_or("not a pattern")
            ));
        }
    };
    let rule = Rule {
        id: entry.id.get_ref().clone(),
        speaks_for: entry.speaks_for.clone(),
        weight: entry.weight,
        languages: Languages::of_rule(&entry.lang),
        regex,
        excuses: entry.excuses.clone(),
    };
    for (at, example) in entry.examples.iter().enumerate() {
        if !rule.matches(example) {
            return refuse(&format!("does not match its own example {}; correct one of the two", at + 1));
        }
    }
    for (at, counter) in entry.not.iter().enumerate() {
        if rule.matches(counter) {
            return refuse(&format!("matches its own counter-example {}; correct one of the two", at + 1));
        }
    }
    Ok((rule, pattern))
}

/// Puts the file's named sets into a pattern; a set may use another one.
fn expand(pattern: &str, source: &Source<RuleFile>) -> String {
    let mut expanded = pattern.to_owned();
    for _ in 0..2 {
        for (name, alternatives) in &source.file.sets {
            expanded = expanded.replace(&format!("{{{name}}}"), &format!("(?:{alternatives})"));
        }
    }
    expanded
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::super::config::Config;
    use super::*;

    /// Where the built-in rules are kept; read at run time so that writing rules needs no build.
    pub const BUILT_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/classifier");

    #[test]
    fn every_rule_agrees_with_its_examples() {
        let config = Config::read(Some(Path::new(BUILT_IN))).unwrap();
        let all =
            config.rules.iter().flat_map(|source| source.file.rules.iter().map(move |entry| (source, entry)));
        let refused: Vec<String> = all
            .filter_map(|(source, entry)| compile(source, entry).err())
            .map(|error| error.to_string())
            .collect();
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}
