//! The list of employees by command: what an import would change is shown first, and nothing that does not fit is taken
//! over; `check` says whom to accuse would leave nobody.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use support::app::Database;
use support::site::Site;

const HEAD: &str = "employee_id,name,email,manager_id,hr_role\n";

fn import(site: &Site, lines: &str, more: &[&str]) -> support::site::Ran {
    std::fs::write(site.path("people.csv"), format!("{HEAD}{lines}")).expect("a list");
    site.run(&[&["directory", "import", "people.csv"], more].concat())
}

fn shows_before_it_changes(database: Database) {
    let site = Site::new(database);
    let first = "1,Amara Okonjo,amara@firm.test,,head\n2,Bob Weiß,bob@firm.test,1,\n";
    let dry = import(&site, first, &[]).fine();
    assert!(dry.out.contains("+ 2 Bob Weiß <bob@firm.test>"), "{dry:?}");
    assert!(dry.out.contains("2 added, 0 changed, 0 gone") && dry.out.contains("--apply"), "{dry:?}");
    let again = import(&site, first, &["--apply"]).fine();
    assert!(again.out.contains("2 added"), "the first look changed nothing: {again:?}");
    assert!(import(&site, first, &[]).fine().out.contains("0 added, 0 changed, 0 gone, 2 the same"));

    let second = "1,Amara Okonjo,amara@firm.test,,lead\n3,Carl Baum,carl@firm.test,1,\n";
    for more in [&[] as &[&str], &["--apply"]] {
        let shown = import(&site, second, more).fine().out;
        for part in [
            "+ 3 Carl Baum",
            "~ 1 Amara Okonjo",
            "hr_role: head → lead",
            "- 2 Bob Weiß",
            "1 added, 1 changed, 1 gone",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    // Who left and comes back is new again.
    assert!(import(&site, first, &[]).fine().out.contains("+ 2 Bob Weiß"));

    for (lines, says) in [
        ("1,A,a@firm.test,,\n1,B,b@firm.test,,\n", "line 3: the employee_id 1"),
        ("1,A,a@firm.test,9,\n", "line 2: the manager_id 9"),
        ("1,A,a@firm.test,2,\n2,B,b@firm.test,1,\n", "line 2: the managers above 1"),
    ] {
        import(&site, lines, &["--apply"]).refused(2, &["people.csv", says]);
    }
    assert!(import(&site, second, &[]).fine().out.contains("2 the same"), "nothing half-done");
}

#[test]
fn an_import_shows_before_it_changes_on_sqlite() {
    shows_before_it_changes(Database::Sqlite);
}

#[test]
fn an_import_shows_before_it_changes_on_postgres() {
    shows_before_it_changes(Database::Postgres);
}

#[test]
fn check_says_whom_to_accuse_would_leave_nobody() {
    let site = Site::new(Database::Sqlite);
    let people = "0,Rosa Chief,rosa@firm.test,,\n1,Amara Okonjo,amara@firm.test,0,head\n2,Maeve Hill,maeve@firm.test,1,agent\n\
                  3,Nora Works,nora@firm.test,0,\n";
    import(&site, people, &["--apply"]).fine();
    for (login, role) in [("amara", "lead"), ("maeve", "agent"), ("counsel", "investigator")] {
        let email = format!("{login}@firm.test");
        site.run(&["user", "add", login, "--role", role, "--email", &email]).fine();
    }
    let said = site.run(&["check"]).out;
    assert!(said.contains("any of 2 people") || said.contains("any of 3 people"), "{said}");
    assert!(!said.contains("Amara"), "ids, not names: {said}");
    site.configure("[access]\nguardian = \"nobody\"\noutside_contacts = [\"counsel\"]");
    let said = site.run(&["check"]).out;
    assert!(said.contains("`access.guardian` names `nobody`"), "{said}");
    assert!(!said.contains("would leave nobody"), "{said}");
}
