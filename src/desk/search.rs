//! Search over sealed text: cases are indexed after they were committed, by keyed hashes of their words, and found
//! again by the hashes of what is asked for. Standard cases share the index key; every other case has a key that only
//! its own scope gives, so that a stolen database cannot be asked whether it knows a word.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::context::{Context, DeskError, open_key, scope};
use super::runner::Action;
use super::view::View;
use crate::case::{Actor, CaseId, Sensitivity};
use crate::search::{Field, Indexer, Query, Term, asked, holds_phrase, terms};
use crate::store::Tx;
use crate::store::rows::CaseRow;
use crate::store::tx::SearchFilter;
use crate::vault::{Key, Lookup, Record, Vault};

/// Cases for one transaction.
const GROUP: i64 = 20;
/// Of one message, bytes: what is beyond is not found by search.
const MOST_TEXT: usize = 500_000;
/// Different words of one case.
const MOST_TERMS: usize = 50_000;
const MESSAGES: i64 = 1_000;
/// With more cases than this under a word, the newest cases are asked whether they have it.
const RARE: i64 = 2_000;

/// Indexes cases that have changed; how many.
pub struct IndexCases;

impl Action for IndexCases {
    type Output = usize;

    fn actor(&self) -> &Actor {
        &Actor::System
    }
    fn name(&self) -> &'static str {
        "search.index"
    }
    fn leaves_entry(&self) -> bool {
        false
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<usize, DeskError> {
        let queued = cx.tx.queued_for_index(GROUP)?;
        for case in &queued {
            // First, so that whoever changes the case meanwhile waits, or is waited for.
            if cx.tx.unqueue_index(*case)? {
                index(cx, *case)?;
            }
        }
        Ok(queued.len())
    }
}

fn index(cx: &mut Context<'_>, id: CaseId) -> Result<(), DeskError> {
    let Some(case) = cx.tx.case(id)? else { return Ok(cx.tx.delete_words(id)?) };
    let scope = match cx.scope(id.as_bytes()) {
        Ok(scope) => scope,
        // Erased.
        Err(DeskError::NotFound) => return Ok(cx.tx.delete_words(id)?),
        Err(error) => return Err(error),
    };
    let found = gather(cx.tx, &scope, &case)?;
    let key = index_key(cx.vault(), &case, &scope)?;
    let hashes: BTreeSet<i64> = found.iter().take(MOST_TERMS).map(|term| hash(&key, term)).collect();
    let hashes: Vec<_> = hashes.into_iter().collect();
    Ok(cx.tx.put_words(id, &hashes)?)
}

fn gather(tx: &mut dyn Tx, scope: &Key, case: &CaseRow) -> Result<BTreeSet<Term>, DeskError> {
    let mut found = BTreeSet::new();
    let beginnings = case.sensitivity == Sensitivity::Standard;
    let language = case.language.as_str();
    let mut add = |text: &str, field| terms(cut(text), language, field, beginnings, &mut found);
    for text in texts(tx, scope, case)? {
        add(&text.text, Field::Any);
        if text.from {
            add(&text.text, Field::From);
        }
    }
    add(&case.reference.to_string(), Field::Any);
    Ok(found)
}

/// A text of a case by which it can be found.
struct Text {
    text: String,
    /// It names who wrote.
    from: bool,
}

fn texts(tx: &mut dyn Tx, scope: &Key, case: &CaseRow) -> Result<Vec<Text>, DeskError> {
    let mut found = Vec::new();
    let mut add = |text: String, from| found.push(Text { text, from });
    let record = Record::open(scope, "cases", case.id.as_bytes(), &case.key)?;
    add(String::from_utf8_lossy(&record.read("subject", &case.subject)?).into_owned(), false);
    for party in tx.parties_of(case.id)? {
        let record = Record::open(scope, "parties", party.id.as_bytes(), &party.key)?;
        add(String::from_utf8_lossy(&record.read("name", &party.name)?).into_owned(), false);
        for address in tx.addresses_of(party.id)? {
            add(String::from_utf8_lossy(&record.read("address", &address.address)?).into_owned(), false);
        }
    }
    for message in tx.messages_of(case.id, None, MESSAGES)? {
        let record = Record::open(scope, "messages", message.id.as_bytes(), &message.key)?;
        let view = View::open(&record, &message.view)?;
        add(view.subject, false);
        add(if view.text.is_empty() { view.reply } else { view.text }, false);
        view.attachments.into_iter().for_each(|one| add(one.name, false));
        if let Some(from) = view.from {
            add(format!("{} {}", from.name.unwrap_or_default(), from.address), true);
        }
        for person in view.to.into_iter().chain(view.cc) {
            add(format!("{} {}", person.name.unwrap_or_default(), person.address), false);
        }
    }
    Ok(found)
}

fn cut(text: &str) -> &str {
    let end = (0..=MOST_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// The key of a case's words: shared by standard cases, a case's own otherwise.
fn index_key(vault: &Vault, case: &CaseRow, scope: &Key) -> Result<Lookup, DeskError> {
    Ok(if case.sensitivity == Sensitivity::Standard { vault.index().clone() } else { scope.words() })
}

fn hash(key: &Lookup, term: &Term) -> i64 {
    key.hash("word", &term.parts()).short()
}

/// The newest cases that `query` finds, as far as the caller's list shows them. What the list shows as an outline only
/// must be left out by the caller: its words are none of theirs.
pub fn find(
    tx: &mut dyn Tx,
    vault: &Vault,
    query: &Query,
    filter: &SearchFilter,
    guarded: &[CaseId],
) -> Result<Vec<CaseRow>, DeskError> {
    let wanted = wanted(query);
    if wanted.is_empty() {
        return Ok(tx.find_newest(filter, &[])?);
    }
    let hashes: Vec<Vec<i64>> =
        wanted.iter().map(|any| any.iter().map(|term| hash(vault.index(), term)).collect()).collect();
    let mut rare: Option<Vec<CaseId>> = None;
    for any in &hashes {
        if let Some(few) = tx.cases_with_any(any, RARE)? {
            rare = Some(match rare {
                None => few,
                Some(before) => before.into_iter().filter(|case| few.binary_search(case).is_ok()).collect(),
            });
        }
    }
    let mut found = match rare {
        // Words that are everywhere are left to the database, among these few.
        Some(few) => tx.find_among(filter, &few, &hashes)?,
        None => tx.find_newest(filter, &hashes)?,
    };
    found.extend(tx.find_among(filter, guarded, &[])?);
    found.sort_by_key(|row| std::cmp::Reverse((row.opened_at, row.id)));
    found.dedup_by_key(|row| row.id);
    found.truncate(usize::try_from(filter.base.limit).unwrap_or_default());
    Ok(found)
}

/// The guarded cases whose content the caller may read and that have all the words: each is asked under its own key.
pub fn guarded(
    tx: &mut dyn Tx,
    vault: &Vault,
    query: &Query,
    filter: &SearchFilter,
) -> Result<Vec<CaseId>, DeskError> {
    let wanted: Vec<(&str, Field)> = query
        .words
        .iter()
        .map(|wanted| (wanted.word.as_str(), Field::Any))
        .chain(query.from.iter().map(|word| (word.as_str(), Field::From)))
        .collect();
    // Guarded cases are not found by beginnings: those could be tried out one letter at a time.
    if wanted.is_empty() || query.words.iter().any(|wanted| wanted.beginning_only) {
        return Ok(Vec::new());
    }
    let mut terms: HashMap<String, Vec<Term>> = HashMap::new();
    let mut asked: HashSet<(i64, CaseId)> = HashSet::new();
    for (case, language, row) in tx.guarded_keys(filter)? {
        let words = open_key(tx, vault, &row)?.words();
        let terms = terms.entry(language).or_insert_with_key(|language| {
            let indexer = Indexer::of(language);
            wanted.iter().map(|(word, field)| indexer.term(word, *field)).collect()
        });
        asked.extend(terms.iter().map(|term| (hash(&words, term), case)));
    }
    let mut missing: HashMap<CaseId, usize> = HashMap::new();
    asked.iter().for_each(|(_, case)| *missing.entry(*case).or_default() += 1);
    let pairs: Vec<_> = asked.iter().copied().collect();
    for pair in tx.which_words(&pairs)? {
        if asked.contains(&pair)
            && let Some(missing) = missing.get_mut(&pair.1)
        {
            *missing -= 1;
        }
    }
    Ok(missing.into_iter().filter(|(_, missing)| *missing == 0).map(|(case, _)| case).collect())
}

/// For each word, the terms any of which will do.
fn wanted(query: &Query) -> Vec<Vec<Term>> {
    let words = query.words.iter().map(|wanted| asked(&wanted.word, Field::Any, wanted.beginning_only));
    let from = query.from.iter().map(|word| asked(word, Field::From, false));
    words.chain(from).collect()
}

/// Whether the case, opened, has what hashes cannot tell: words together, long beginnings.
pub fn holds(tx: &mut dyn Tx, vault: &Vault, query: &Query, case: &CaseRow) -> Result<bool, DeskError> {
    let long = |wanted: &&crate::search::Wanted| {
        wanted.beginning_only && wanted.word.chars().count() > *crate::search::PREFIXES.end()
    };
    let beginnings = query.words.iter().filter(long).map(|wanted| (vec![wanted.word.clone()], true));
    let phrases = query.phrases.iter().map(|phrase| (phrase.clone(), false));
    let open: Vec<_> = phrases.chain(beginnings).collect();
    if open.is_empty() {
        return Ok(true);
    }
    let scope = scope(tx, vault, case.id.as_bytes())?;
    let texts = texts(tx, &scope, case)?;
    Ok(open
        .iter()
        .all(|(words, beginning)| texts.iter().any(|text| holds_phrase(cut(&text.text), words, *beginning))))
}
