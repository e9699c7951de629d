//! `caseward directory import`: takes the list of employees in.

use std::path::Path;
use std::process::ExitCode;

use crate::case::Actor;
use crate::daemon::{Register, StartError};
use crate::desk::people::{ImportPeople, Imported, Person};

/// Imports the CSV file at `path`.
pub fn import(config: Option<&Path>, path: &Path) -> ExitCode {
    let done = super::settings(config).map_err(StartError::from).and_then(|settings| {
        let file = std::fs::read(path)
            .map_err(|error| StartError::Other(format!("{}: cannot be read: {error}", path.display())))?;
        let people = read(&file).map_err(|why| StartError::Other(format!("{}: {why}", path.display())))?;
        let imported = super::with_register(&settings, async |register| {
            let imported = import_into(&register, people).await;
            (register, imported)
        })?;
        println!("{} people are in the directory; {} left it.", imported.present, imported.left);
        Ok(())
    });
    super::finish(done)
}

/// The people of a CSV file, or the line that is wrong.
pub fn read(csv: &[u8]) -> Result<Vec<Person>, String> {
    let mut people = Vec::new();
    for (row, person) in csv::Reader::from_reader(csv).deserialize::<Person>().enumerate() {
        let line = row + 2;
        let person = person.map_err(|error| match error.kind() {
            csv::ErrorKind::Deserialize { err, .. } => format!("line {line}: {}", err.kind()),
            _ => format!("line {line}: this is not CSV with the same number of columns throughout"),
        })?;
        if person.employee_id.trim().is_empty() || !person.email.contains('@') {
            return Err(format!("line {line}: employee_id and email must be given"));
        }
        people.push(person);
    }
    Ok(people)
}

/// Imports people into an open register.
pub async fn import_into(register: &Register, people: Vec<Person>) -> Result<Imported, StartError> {
    Ok(register.desk.run(ImportPeople { actor: Actor::System, people }).await?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bad_line_is_named() {
        let head = "employee_id,name,email\n";
        assert_eq!(super::read(format!("{head}1,A,a@a.test\n").as_bytes()).unwrap().len(), 1);
        for bad in ["1,A,a@a.test\n,B,b@a.test\n", "1,A,a@a.test\n2,B\n", "1,A,a@a.test\n2,B,nothing\n"] {
            let error = super::read(format!("{head}{bad}").as_bytes()).unwrap_err();
            assert!(error.starts_with("line 3"), "{error}");
        }
    }
}
