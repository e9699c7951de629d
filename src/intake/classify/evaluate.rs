//! Measures a classifier honestly: learns from some labelled mails, judges others, and says how that went in words,
//! tables and a curve. Pure: who reads files and prints is not here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::concepts::Concepts;
use super::config::{Config, OperatingPoint, RuleError};
use super::examples::Labelled;
use super::figures::{Figures, share};
use super::model::Model;
use super::train::{Lesson, train};
use super::{Classifier, Input, Judge, Verdict, apart};
use crate::case::kinds::{Category, Sensitivity};

/// A mail with what was said of it.
pub type Judged<'a> = (&'a Labelled, Verdict);

/// A new model, and how good its like was on what it had not seen.
pub struct Learned {
    /// Its file.
    pub file: Vec<u8>,
    /// What a model that learned without the held-back mails reached on them.
    pub figures: Figures,
}

/// Learns from all `mails`, read from `files`; measures first by holding some back.
pub fn learn(
    config: &Config,
    mails: &[Labelled],
    files: &BTreeMap<String, String>,
) -> Result<Learned, RuleError> {
    let (held, seen): (Vec<&Labelled>, Vec<&Labelled>) = mails.iter().partition(|mail| mail.held_back());
    let judged = Trial::of(config, &seen, &held, OperatingPoint::default())?.judged;
    let figures = figures(&judged);
    let mut model = model_of(config, &mails.iter().collect::<Vec<_>>())?;
    model.header.made_of = config.made_of(files);
    model.header.held_back = Some(figures);
    Ok(Learned { file: model.write(), figures })
}

/// What a model in use says of itself: of which data it was made, and its figures.
pub fn in_use(config: &Config) -> Result<(String, Option<Figures>), RuleError> {
    let model = super::model_in(config)?;
    Ok((model.header.made_of, model.header.held_back))
}

/// Some mails judged by a classifier that learned from others.
pub struct Trial<'a> {
    pub judged: Vec<Judged<'a>>,
    /// The log-odds that a mail is sensitive.
    odds: Vec<f32>,
}

impl<'a> Trial<'a> {
    pub fn of(
        config: &Config,
        seen: &[&Labelled],
        judged: &[&'a Labelled],
        point: OperatingPoint,
    ) -> Result<Self, RuleError> {
        let judge = Judge::with_model(config, model_of(config, seen)?, point)?;
        let (judged, odds) = judged
            .iter()
            .map(|mail| {
                let (new_text, whole) = apart(&mail.subject, &mail.body);
                let input = input(mail, &new_text, &whole);
                ((*mail, judge.classify(&input)), judge.0.sensitive_odds(&input))
            })
            .unzip();
        Ok(Self { judged, odds })
    }

    /// Everything a person wants to know, as text.
    pub fn report(&self) -> String {
        let mut text = format!("{}\n\n", figures(&self.judged));
        for (language, judged) in self.by_language() {
            push(&mut text, &format!("{language:4} {}", figures(&judged)));
        }
        push(&mut text, "\nCategories: what it is (down), what was said (across)\n");
        text.push_str(&self.confusion());
        push(&mut text, "\nHow often the category is right, by confidence\n");
        for (low, right, mails) in self.calibration() {
            push(&mut text, &format!("{low:.1} to {:.1}: {:5.1} % of {mails}", low + 0.1, right * 100.0));
        }
        text
    }

    fn by_language(&self) -> BTreeMap<&str, Vec<Judged<'a>>> {
        let mut languages: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (mail, verdict) in &self.judged {
            languages.entry(&mail.lang).or_default().push((*mail, verdict.clone()));
        }
        languages
    }

    fn confusion(&self) -> String {
        let mut names: Vec<&Category> =
            self.judged.iter().flat_map(|(m, v)| [&m.category, &v.category]).collect();
        names.sort();
        names.dedup();
        let short = |name: &Category| name.as_str().chars().take(6).collect::<String>();
        let mut text = format!("{:12}", "");
        names.iter().for_each(|name| text.push_str(&format!("{:>7}", short(name))));
        text.push('\n');
        for row in &names {
            text.push_str(&format!("{:12}", row.as_str()));
            for column in &names {
                let count =
                    self.judged.iter().filter(|(m, v)| m.category == **row && v.category == **column).count();
                text.push_str(&format!("{count:>7}"));
            }
            text.push('\n');
        }
        text
    }

    /// For each tenth of confidence: its beginning, the share that was right, and of how many.
    fn calibration(&self) -> Vec<(f32, f32, usize)> {
        (0..10u8)
            .filter_map(|tenth| {
                let low = f32::from(tenth) / 10.0;
                let among: Vec<_> = self
                    .judged
                    .iter()
                    .filter(|(_, v)| v.confidence >= low && (v.confidence < low + 0.1 || tenth == 9))
                    .collect();
                let right = among.iter().filter(|(m, v)| m.category == v.category).count();
                (!among.is_empty()).then(|| (low, share(right, among.len()), among.len()))
            })
            .collect()
    }

    /// Sensitive mails found against false alarms, for every threshold, as an SVG.
    pub fn curve(&self) -> String {
        let mut scored: Vec<(f32, bool)> = self
            .odds
            .iter()
            .zip(&self.judged)
            .map(|(odds, (mail, _))| (*odds, mail.sensitivity > Sensitivity::Standard))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let there = scored.iter().filter(|(_, is)| *is).count();
        let (mut found, mut alarms) = (0usize, 0usize);
        let mut path = String::from("M 60 360");
        for (_, is) in &scored {
            if *is {
                found += 1
            } else {
                alarms += 1
            }
            let (x, y) = (share(alarms, scored.len() - there), share(found, there));
            path.push_str(&format!(" L {:.1} {:.1}", 60.0 + 520.0 * x, 360.0 - 320.0 * y));
        }
        let mut ticks = String::new();
        for tenth in 0..=10u8 {
            let (x, y) = (60.0 + 52.0 * f32::from(tenth), 360.0 - 32.0 * f32::from(tenth));
            let percent = u32::from(tenth) * 10;
            ticks.push_str(&format!(
                "<path d=\"M {x} 360 V 40 M 60 {y} H 580\" stroke=\"#ddd\"/><text x=\"{x}\" y=\"376\" text-anchor=\"middle\">{percent}</text><text x=\"52\" y=\"{}\" text-anchor=\"end\">{percent}</text>\n",
                y + 4.0
            ));
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 620 420\" font-family=\"sans-serif\" font-size=\"12\">\n<title>Sensitive mails found against false alarms</title>\n{ticks}<path d=\"{path}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\"/>\n<text x=\"320\" y=\"404\" text-anchor=\"middle\">standard mails taken for sensitive, %</text>\n<text x=\"16\" y=\"200\" transform=\"rotate(-90 16 200)\" text-anchor=\"middle\">sensitive mails found, %</text>\n</svg>\n"
        )
    }
}

pub fn figures(judged: &[Judged<'_>]) -> Figures {
    Figures::of(&judged.iter().map(|(mail, verdict)| (*mail, verdict)).collect::<Vec<_>>())
}

fn model_of(config: &Config, mails: &[&Labelled]) -> Result<Model, RuleError> {
    let concepts = Concepts::new(&config.concepts)?;
    let lessons: Vec<Lesson> = mails.iter().map(|mail| Lesson::of(mail, &concepts)).collect();
    let mut model = train(&lessons, &config.natures());
    model.header.concepts = config.concepts_hash();
    Ok(model)
}

fn input<'m>(mail: &'m Labelled, new_text: &'m str, whole_text: &'m str) -> Input<'m> {
    Input { subject: &mail.subject, new_text, whole_text, ..Input::default() }
}

fn push(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}
