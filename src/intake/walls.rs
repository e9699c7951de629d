//! Who must not see a case, read from the mail that brings it: from verdict, new text, To and Cc, the directory and
//! the users of HR. A pure function; it errs on the side of a wall too many, which a lead may lift. What becomes of
//! its findings is the desk's business (`desk/walls.rs`).

mod roles;
mod said;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::case::wall::{Bar, Reason, Why};
use crate::case::{PersonId, UserId};
use crate::directory::Roster;
use crate::directory::names::{self, Form, Index, Mention, Name, Word};
use roles::Role;

/// A user of HR; `person` when an address of theirs is in the directory.
#[derive(Clone, Debug)]
pub struct Colleague {
    pub id: UserId,
    pub name: String,
    pub address: Option<String>,
    pub person: Option<PersonId>,
}

/// What of a mail is looked at.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    pub from: &'a str,
    /// To and Cc.
    pub copied: &'a [&'a str],
    pub subject: &'a str,
    /// The new text alone.
    pub text: &'a str,
    /// Tells our own addresses.
    pub ours: &'a dyn Fn(&str) -> bool,
    /// The verdict is more than standard.
    pub sensitive: bool,
    /// The category is one in which somebody is complained of.
    pub accusing: bool,
}

/// What a mail means for who may see its case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The strongest bar for each user, with its reason.
    pub barred: BTreeMap<UserId, (Bar, Reason)>,
    /// It accuses HR or an executive: the case is restricted.
    pub restricted: bool,
}

impl Finding {
    /// Those who must see nothing.
    pub fn shut_out(&self) -> impl Iterator<Item = UserId> + '_ {
        self.barred.iter().filter(|(_, (bar, _))| bar.shuts_out()).map(|(user, _)| *user)
    }

    fn bar(&mut self, user: UserId, bar: Bar, why: Why, words: &str) {
        let new = (bar, Reason { why, words: words.to_owned() });
        let known = self.barred.entry(user).or_insert_with(|| new.clone());
        if (new.0, new.1.why) > (known.0, known.1.why) {
            *known = new;
        }
    }
}

/// Somebody who may be meant. A user in the directory is that person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Person(PersonId),
    User(UserId),
}

/// Somebody meant in the text, or everybody whom it could mean.
struct Meant {
    who: BTreeSet<Who>,
    words: Range<usize>,
    /// The writer has this name too.
    writers_name: bool,
}

/// The people as this mail's writer speaks of them.
struct House<'a> {
    roster: &'a Roster,
    colleagues: &'a [Colleague],
    by_person: BTreeMap<PersonId, UserId>,
    user_names: Index<UserId>,
    writer: BTreeSet<Who>,
    /// Whom one word is enough to name: HR, the writer's superiors, executives.
    near: BTreeSet<PersonId>,
}

/// Reads a mail for conflicts.
#[must_use]
pub fn find(letter: &Letter<'_>, roster: &Roster, colleagues: &[Colleague]) -> Finding {
    let house = House::of(letter.from, roster, colleagues);
    let mut finding = Finding::default();
    for user in house.users(&house.writer) {
        finding.bar(user, Bar::Walled, Why::Party, "");
    }
    if letter.sensitive {
        for user in house.users(&house.addressed(letter.copied)) {
            finding.bar(user, Bar::Unassigned, Why::Copied, "");
        }
    }
    for text in [letter.subject, &said::said(letter.text, letter.ours)] {
        let words = names::words(text);
        for meant in house.meant(text, &words) {
            judge(&mut finding, letter, &house, &meant, text, &words);
        }
        let of_hr =
            |(role, at): &(Role, Range<usize>)| *role == Role::SomebodyOfHr && !roles::is_source(&words, at);
        finding.restricted |= letter.sensitive && letter.accusing && roles::phrases(&words).iter().any(of_hr);
    }
    finding
}

/// What one mention means.
fn judge(
    finding: &mut Finding,
    letter: &Letter<'_>,
    house: &House<'_>,
    meant: &Meant,
    text: &str,
    words: &[Word],
) {
    let quote = quote(text, words, &meant.words);
    let source = roles::is_source(words, &meant.words);
    let themselves = house.users(&meant.who);
    if !letter.sensitive || source {
        let bar = if letter.sensitive { Bar::Unassigned } else { Bar::Last };
        let why = if source { Why::Source } else { Why::Named };
        themselves.into_iter().for_each(|user| finding.bar(user, bar, why, &quote));
        return;
    }
    let sure = meant.who.len() == 1 && !meant.writers_name;
    let (bar, why) = if sure { (Bar::Walled, Why::Named) } else { (Bar::Held, Why::Ambiguous) };
    for user in house.users(&house.lines(&meant.who)) {
        finding.bar(user, bar, if sure { Why::Line } else { Why::Ambiguous }, &quote);
    }
    themselves.into_iter().for_each(|user| finding.bar(user, bar, why, &quote));
    finding.restricted |= letter.accusing && meant.who.iter().any(|who| house.weighty(*who));
}

fn quote(text: &str, words: &[Word], at: &Range<usize>) -> String {
    let start = words.get(at.start).map_or(0, |word| word.at.start);
    let end = words.get(at.end.saturating_sub(1)).map_or(start, |word| word.at.end);
    text.get(start..end).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'a> House<'a> {
    fn of(from: &str, roster: &'a Roster, colleagues: &'a [Colleague]) -> Self {
        let mut house = Self {
            roster,
            colleagues,
            by_person: colleagues.iter().filter_map(|one| Some((one.person?, one.id))).collect(),
            user_names: Index::default(),
            writer: BTreeSet::new(),
            near: BTreeSet::new(),
        };
        for colleague in colleagues {
            house.user_names.add(colleague.id, Name::read(&colleague.name));
        }
        house.writer = house.addressed(&[from]);
        let in_hr = roster.members().filter(|member| member.hr_role.is_some() || member.executive);
        house.near = in_hr.map(|member| member.id).chain(house.by_person.keys().copied()).collect();
        for who in &house.writer {
            if let Who::Person(person) = who {
                house.near.extend(roster.up(*person));
            }
        }
        house
    }

    fn of_user(&self, user: UserId) -> Who {
        let colleague = self.colleagues.iter().find(|one| one.id == user);
        colleague.and_then(|one| one.person).map_or(Who::User(user), Who::Person)
    }

    /// Whose addresses these are.
    fn addressed(&self, addresses: &[&str]) -> BTreeSet<Who> {
        let mut who = BTreeSet::new();
        for address in addresses {
            who.extend(self.roster.by_address(address).map(Who::Person));
            let has = |one: &&Colleague| {
                one.address.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(address.trim()))
            };
            who.extend(self.colleagues.iter().filter(has).map(|one| self.of_user(one.id)));
        }
        who
    }

    /// The users among these.
    fn users(&self, who: &BTreeSet<Who>) -> BTreeSet<UserId> {
        who.iter()
            .filter_map(|who| match who {
                Who::User(user) => Some(*user),
                Who::Person(person) => self.by_person.get(person).copied(),
            })
            .collect()
    }

    /// Everybody in the lines of these.
    fn lines(&self, who: &BTreeSet<Who>) -> BTreeSet<Who> {
        who.iter()
            .flat_map(|who| match who {
                Who::User(_) => BTreeSet::from([*who]),
                Who::Person(person) => self.roster.line(*person).into_iter().map(Who::Person).collect(),
            })
            .collect()
    }

    /// Of HR, or an executive.
    fn weighty(&self, who: Who) -> bool {
        match who {
            Who::User(_) => true,
            Who::Person(person) => {
                self.by_person.contains_key(&person)
                    || self.roster.get(person).is_some_and(|one| one.executive || one.hr_role.is_some())
            }
        }
    }

    /// Everybody who is meant in these words of `text`: by name, by address, by what they are.
    fn meant(&self, text: &str, words: &[Word]) -> Vec<Meant> {
        let mut found: Vec<(Form, Meant)> = Vec::new();
        let near = |person| self.near.contains(&person);
        for mention in self.roster.names().mentions(words, &near) {
            let who = mention.who.iter().map(|person| Who::Person(*person)).collect();
            add(&mut found, mention.form, who, mention.words);
        }
        for Mention { words, form, who } in self.user_names.mentions(words, &|_| true) {
            add(&mut found, form, who.into_iter().map(|user| self.of_user(user)).collect(), words);
        }
        for (who, words) in self.written_addresses(text, words) {
            add(&mut found, Form::Full, [who].into(), words);
        }
        for (role, at) in roles::phrases(words) {
            let who = self.in_role(role);
            if !who.is_empty() {
                found.push((Form::Full, Meant { who, words: at, writers_name: false }));
            }
        }
        found.into_iter().filter_map(|(_, meant)| self.but_the_writer(meant, words)).collect()
    }

    fn written_addresses(&self, text: &str, words: &[Word]) -> Vec<(Who, Range<usize>)> {
        let mut found = Vec::new();
        let free = |c: char| c.is_whitespace() || "<>()[],;:\"'!?".contains(c);
        for piece in text.split(free).filter(|piece| piece.contains('@')) {
            let address = piece.trim_matches('.');
            let Some(start) = text.find(address) else { continue };
            let first = words.partition_point(|word| word.at.start < start);
            let end = words.partition_point(|word| word.at.start < start + address.len());
            found.extend(self.addressed(&[address]).into_iter().map(|who| (who, first..end)));
        }
        found
    }

    fn in_role(&self, role: Role) -> BTreeSet<Who> {
        match role {
            Role::Manager => {
                let person = |who: &Who| match who {
                    Who::Person(person) => self.roster.get(*person)?.manager,
                    Who::User(_) => None,
                };
                self.writer.iter().filter_map(person).map(Who::Person).collect()
            }
            Role::HeadOfHr => self.roster.heads_of_hr().into_iter().map(Who::Person).collect(),
            Role::TopExecutive => self.roster.top().into_iter().map(Who::Person).collect(),
            Role::SomebodyOfHr => BTreeSet::new(),
        }
    }

    /// Nobody accuses themselves; who shares the writer's name may be meant.
    fn but_the_writer(&self, mut meant: Meant, words: &[Word]) -> Option<Meant> {
        let before = meant.who.len();
        meant.who.retain(|who| !self.writer.contains(who));
        meant.writers_name |= meant.who.len() < before;
        (!meant.who.is_empty() && !introduces(words, meant.words.start)).then_some(meant)
    }
}

/// Puts a mention among those found; of overlapping ones the surer counts, of equal ones both.
fn add(found: &mut Vec<(Form, Meant)>, form: Form, who: BTreeSet<Who>, words: Range<usize>) {
    let overlapping =
        found.iter_mut().find(|(_, other)| other.words.start < words.end && words.start < other.words.end);
    let Some((known, meant)) = overlapping else {
        found.push((form, Meant { who, words, writers_name: false }));
        return;
    };
    match form.cmp(known) {
        std::cmp::Ordering::Less => {}
        std::cmp::Ordering::Equal => meant.who.extend(who),
        std::cmp::Ordering::Greater => {
            *known = form;
            *meant = Meant { who, words, writers_name: false };
        }
    }
}

/// `I am Anna`, `ich bin Anna`: a writer's own name comes next.
fn introduces(words: &[Word], at: usize) -> bool {
    const INTRODUCTIONS: [&[&str]; 10] = [
        &["i", "am"],
        &["my", "name", "is"],
        &["ich", "bin"],
        &["ich", "heisse"],
        &["mein", "name", "ist"],
        &["je", "suis"],
        &["je", "appelle"],
        &["yo", "soy"],
        &["me", "llamo"],
        &["mi", "nombre", "es"],
    ];
    let before: Vec<&str> = words
        .get(at.saturating_sub(3)..at)
        .unwrap_or_default()
        .iter()
        .map(|word| word.folded.as_str())
        .collect();
    let breaks = words.get(at).is_some_and(|word| word.breaks);
    !breaks && INTRODUCTIONS.iter().any(|introduction| before.ends_with(introduction))
}
