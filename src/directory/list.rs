//! The list of employees as a file brings it: read from CSV, checked as a whole, compared with what is known. Every
//! fault names its line. Decides nothing about who may import, and writes nothing.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// One line of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub employee_id: String,
    pub name: String,
    pub email: String,
    /// Separated by `;` or blanks.
    #[serde(default)]
    pub other_emails: String,
    #[serde(default)]
    pub manager_id: String,
    #[serde(default)]
    pub assistant_of: String,
    #[serde(default)]
    pub department: String,
    #[serde(default)]
    pub location: String,
    #[serde(default)]
    pub legal_entity: String,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub executive: String,
    #[serde(default)]
    pub hr_role: String,
}

/// The columns, in the order of the fields; the first three must be there.
const COLUMNS: [&str; 12] = [
    "employee_id",
    "name",
    "email",
    "other_emails",
    "manager_id",
    "assistant_of",
    "department",
    "location",
    "legal_entity",
    "language",
    "executive",
    "hr_role",
];

impl Person {
    /// All addresses, the one of work first.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let others = self.other_emails.split([';', ' ']).map(str::trim).filter(|text| !text.is_empty());
        std::iter::once(self.email.as_str()).chain(others)
    }

    #[must_use]
    pub fn is_executive(&self) -> bool {
        matches!(self.executive.to_lowercase().as_str(), "true" | "yes" | "1")
    }

    fn fields(&self) -> [&str; 12] {
        [
            &self.employee_id,
            &self.name,
            &self.email,
            &self.other_emails,
            &self.manager_id,
            &self.assistant_of,
            &self.department,
            &self.location,
            &self.legal_entity,
            &self.language,
            &self.executive,
            &self.hr_role,
        ]
    }

    fn trimmed(self) -> Self {
        let trim = |text: String| text.trim().to_owned();
        Self {
            employee_id: trim(self.employee_id),
            name: trim(self.name),
            email: trim(self.email),
            other_emails: trim(self.other_emails),
            manager_id: trim(self.manager_id),
            assistant_of: trim(self.assistant_of),
            department: trim(self.department),
            location: trim(self.location),
            legal_entity: trim(self.legal_entity),
            language: trim(self.language).to_lowercase(),
            executive: trim(self.executive).to_lowercase(),
            hr_role: trim(self.hr_role).to_lowercase(),
        }
    }
}

/// Reads and checks a CSV file.
///
/// # Errors
/// One sentence that names the line.
pub fn read(csv: &[u8]) -> Result<Vec<Person>, String> {
    // Excel writes a byte order mark.
    let csv = csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(csv);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let headers = reader.headers().map_err(|_| "line 1: this is not UTF-8 text".to_owned())?.clone();
    for (number, header) in headers.iter().enumerate() {
        if !COLUMNS.contains(&header) {
            return Err(format!("line 1: `{header}` is no column; known are {}", COLUMNS.join(", ")));
        }
        if headers.iter().take(number).any(|earlier| earlier == header) {
            return Err(format!("line 1: the column {header} stands there twice; keep one"));
        }
    }
    for needed in COLUMNS.iter().take(3) {
        if !headers.iter().any(|header| header == *needed) {
            return Err(format!("line 1: the column {needed} is missing"));
        }
    }
    let mut lines = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                return Err(match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => format!("line {line}: this is not UTF-8 text"),
                    _ => format!("line {line}: it has not as many columns as line 1"),
                });
            }
        }
        let line = record.position().map_or(line, csv::Position::line);
        let person: Person = record
            .deserialize(Some(&headers))
            .map_err(|_| format!("line {line}: this cannot be read as a person"))?;
        lines.push((line, person.trimmed()));
    }
    check(&lines)?;
    Ok(lines.into_iter().map(|(_, person)| person).collect())
}

/// Whether the list fits together: ids given and given once, addresses that can be some, managers that exist and
/// do not answer to each other in a circle.
///
/// # Errors
/// One sentence that names the line.
pub fn check(lines: &[(u64, Person)]) -> Result<(), String> {
    let mut places: HashMap<&str, (u64, &Person)> = HashMap::new();
    let mut addresses: HashMap<String, u64> = HashMap::new();
    for (line, person) in lines {
        let id = person.employee_id.as_str();
        if id.is_empty() || person.name.is_empty() {
            return Err(format!("line {line}: employee_id and name must be given"));
        }
        if let Some((earlier, _)) = places.insert(id, (*line, person)) {
            return Err(format!(
                "line {line}: the employee_id {id} stands in line {earlier} already; each is one person's"
            ));
        }
        for address in person.addresses() {
            let (local, domain) = address.rsplit_once('@').unwrap_or_default();
            if local.is_empty() || domain.is_empty() || address.contains(char::is_whitespace) {
                return Err(format!("line {line}: an e-mail address is missing or is none"));
            }
        }
        if let Some(earlier) = addresses.insert(person.email.to_lowercase(), *line) {
            return Err(format!(
                "line {line}: the email stands in line {earlier} already; each is one person's"
            ));
        }
        if !matches!(person.executive.as_str(), "" | "true" | "false" | "yes" | "no" | "1" | "0") {
            return Err(format!("line {line}: executive is true or false"));
        }
    }
    for (line, person) in lines {
        for (column, id) in [("manager_id", &person.manager_id), ("assistant_of", &person.assistant_of)] {
            if !id.is_empty() && !places.contains_key(id.as_str()) {
                return Err(format!("line {line}: the {column} {id} is nobody in this list"));
            }
            if *id == person.employee_id {
                return Err(format!("line {line}: the {column} {id} is this person's own employee_id"));
            }
        }
    }
    circle(lines, &places)
}

/// Each line is followed upwards until it ends, or comes to what was followed before.
fn circle(lines: &[(u64, Person)], places: &HashMap<&str, (u64, &Person)>) -> Result<(), String> {
    let mut followed: HashMap<&str, u64> = HashMap::new();
    for (line, person) in lines {
        let mut next = Some(person);
        while let Some(one) = next {
            match followed.insert(&one.employee_id, *line) {
                Some(earlier) if earlier == *line => {
                    return Err(format!(
                        "line {line}: the managers above {} lead in a circle back to {}; mend one of them",
                        person.employee_id, one.employee_id
                    ));
                }
                Some(_) => break,
                None => next = places.get(one.manager_id.as_str()).map(|(_, manager)| *manager),
            }
        }
    }
    Ok(())
}

/// What an import would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub added: Vec<Person>,
    pub changed: Vec<Changed>,
    pub gone: Vec<Person>,
    pub same: usize,
}

/// Somebody about whom something else is said now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub person: Person,
    /// Column, before, after.
    pub fields: Vec<(&'static str, String, String)>,
}

/// Compares by employee_id; in the order of the ids.
#[must_use]
pub fn difference(before: &[Person], after: &[Person]) -> Difference {
    let by_id = |people: &[Person]| -> BTreeMap<String, Person> {
        people.iter().map(|one| (one.employee_id.clone(), one.clone())).collect()
    };
    let (mut old, new) = (by_id(before), by_id(after));
    let mut found = Difference::default();
    for (id, person) in new {
        match old.remove(&id) {
            None => found.added.push(person),
            Some(known) => {
                let fields: Vec<_> = COLUMNS
                    .iter()
                    .zip(known.fields().into_iter().zip(person.fields()))
                    .filter(|(_, (old, new))| old != new)
                    .map(|(column, (old, new))| (*column, old.to_owned(), new.to_owned()))
                    .collect();
                if fields.is_empty() {
                    found.same += 1;
                } else {
                    found.changed.push(Changed { person, fields });
                }
            }
        }
    }
    found.gone = old.into_values().collect();
    found
}

impl Difference {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for person in &self.added {
            writeln!(f, "+ {} {} <{}>", person.employee_id, person.name, person.email)?;
        }
        for Changed { person, fields } in &self.changed {
            writeln!(f, "~ {} {}", person.employee_id, person.name)?;
            for (column, old, new) in fields {
                writeln!(f, "    {column}: {} → {}", shown(old), shown(new))?;
            }
        }
        for person in &self.gone {
            writeln!(f, "- {} {} <{}>", person.employee_id, person.name, person.email)?;
        }
        write!(
            f,
            "{} added, {} changed, {} gone, {} the same",
            self.added.len(),
            self.changed.len(),
            self.gone.len(),
            self.same
        )
    }
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "employee_id,name,email,manager_id,assistant_of\n";

    fn fault(lines: &str) -> String {
        read(format!("{HEAD}{lines}").as_bytes()).unwrap_err()
    }

    #[test]
    fn a_list_is_read() {
        let people =
            read("\u{feff}name,employee_id,email\n\"Tarrant,\n Anna\" , 1 ,a@a.test\n".as_bytes()).unwrap();
        assert_eq!((people[0].employee_id.as_str(), people.len()), ("1", 1));
    }

    #[test]
    fn what_does_not_fit_names_its_line() {
        for (lines, line, says) in [
            ("1,A,a@a.test,,\n1,B,b@a.test,,\n", 3, "line 2"),
            ("1,A,a@a.test,,\n2,B,A@a.test,,\n", 3, "line 2"),
            ("1,A,a@a.test,,\n,B,b@a.test,,\n", 3, "employee_id"),
            ("1,A,a@a.test,,\n2,B,nothing,,\n", 3, "address"),
            ("1,A,a@a.test,,\n2,B\n", 3, "columns"),
            ("1,A,a@a.test,9,\n", 2, "manager_id 9"),
            ("1,A,a@a.test,,9\n", 2, "assistant_of 9"),
            ("1,A,a@a.test,1,\n", 2, "own"),
            ("0,Z,z@a.test,,\n1,A,a@a.test,2,\n2,B,b@a.test,3,\n3,C,c@a.test,2,\n", 3, "circle"),
            ("1,\"A\nB\",a@a.test,,\n1,B,b@a.test,,\n", 4, "line 2"),
        ] {
            let fault = fault(lines);
            assert!(fault.starts_with(&format!("line {line}: ")) && fault.contains(says), "{fault}");
        }
        assert!(read(b"employee_id,name\n").unwrap_err().contains("email"));
        assert!(read(b"employee_id,name,email,boss\n").unwrap_err().contains("`boss`"));
        assert!(read(b"employee_id,name,email\n1,\xff,a@a.test\n").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn only_what_differs_is_told() {
        let before =
            read(format!("{HEAD}1,A,a@a.test,,\n2,B,b@a.test,1,\n3,C,c@a.test,1,\n").as_bytes()).unwrap();
        let after =
            read(format!("{HEAD}1,A,a@a.test,,\n2,B,b@a.test,,\n4,D,d@a.test,1,\n").as_bytes()).unwrap();
        let told = difference(&before, &after).to_string();
        assert_eq!(
            told,
            "+ 4 D <d@a.test>\n~ 2 B\n    manager_id: 1 → (none)\n- 3 C <c@a.test>\n1 added, 1 changed, 1 gone, 1 the same"
        );
        assert!(difference(&before, &before).is_empty());
    }
}
