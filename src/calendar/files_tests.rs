use super::*;

#[test]
fn what_is_shipped_can_be_read() {
    let calendars = Calendars::load(None).unwrap();
    assert!(calendars.times.contains_key("office"));
    let names: Vec<&str> = calendars.packs.keys().map(String::as_str).collect();
    assert_eq!(names, ["de-hinschg", "eu-whistleblowing", "gdpr-access", "in-posh", "service", "uk-acas"]);
    for pack in calendars.packs.values() {
        assert!(!pack.value.source.is_empty(), "{} says where it stands", pack.value.name);
        assert_eq!(pack.hash.len(), 64);
    }
}

#[test]
fn a_calendar_that_is_wrong_is_refused_with_its_remedy() {
    let cases = [
        ("time_zone = \"Mars/Base\"\n[hours]\nmonday = [\"09:00-17:00\"]", "`time_zone` is not known"),
        ("time_zone = \"UTC\"\n[hours]\nmoonday = [\"09:00-17:00\"]", "`moonday` in [hours] is no weekday"),
        ("time_zone = \"UTC\"\n[hours]\nmonday = [\"17:00-09:00\"]", "is no stretch of a day"),
        ("time_zone = \"UTC\"\n[hours]\nmonday = [\"09:00-12:00\", \"11:00-13:00\"]", "overlap"),
        ("time_zone = \"UTC\"\n[hours]\nmonday = []", "no day of the week has hours"),
        ("time_zone = \"UTC\"\n\nhoorays = 1", "line 3: unknown field"),
        (
            "time_zone = \"UTC\"\nholidays = [{ yearly = \"02-30\" }]\n[hours]\nmonday = [\"09:00-17:00\"]",
            "a holiday is one of",
        ),
        (
            "time_zone = \"UTC\"\nholidays = [{ easter = 1, yearly = \"01-01\" }]\n[hours]\nmonday = [\"09:00-17:00\"]",
            "a holiday is one of",
        ),
    ];
    for (text, why) in cases {
        let error = working_time("x", text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let leap =
        "time_zone = \"UTC\"\nholidays = [{ yearly = \"02-29\" }]\n[hours]\nmonday = [\"00:00-24:00\"]";
    assert!(working_time("x", leap).is_ok());
}

#[test]
fn a_pack_that_is_wrong_is_refused_with_its_remedy() {
    let statutory = "kind = \"statutory\"\nsource = \"a norm\"\n[[clock]]\nname = \"a\"\n";
    let service = "kind = \"service\"\nsource = \"a promise\"\n[[clock]]\nname = \"a\"\n";
    let cases = [
        (
            format!("{statutory}target = [{{ working = \"8h\" }}]"),
            "has `months` and `days`, or `working_days`",
        ),
        (format!("{service}target = [{{ days = 3 }}]"), "has `working = \"8h\"`"),
        (format!("{service}target = [{{ working = \"8 hours\" }}]"), "has `working = \"8h\"`"),
        (format!("{statutory}target = [{{ days = 7 }}]\nremind = [\"75%\"]"), "takes times before the end"),
        (format!("{statutory}target = [{{ days = 7 }}]\nafter = \"b\""), "names no clock of this file"),
        (format!("{statutory}target = [{{ days = 7 }}]\nstarts = \"sunrise\""), "line 6"),
        (
            format!("{statutory}target = [{{ days = 7 }}]\n[[clock]]\nname = \"a\"\ntarget = []"),
            "two clocks are called `a`",
        ),
        (format!("{service}target = [{{ working = \"8h\" }}]\nescalate = [{{ to = \"mother\" }}]"), "line 6"),
    ];
    for (text, why) in cases {
        let error = pack("x", &text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn own_files_replace_those_that_are_shipped() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("calendars")).unwrap();
    let text = "time_zone = \"Europe/Berlin\"\n[hours]\nmonday = [\"09:00-17:00\"]\n";
    std::fs::write(dir.path().join("calendars/berlin.toml"), text).unwrap();
    let calendars = Calendars::load(Some(dir.path())).unwrap();
    assert_eq!(calendars.times.keys().collect::<Vec<_>>(), ["berlin"]);
    assert!(calendars.packs.contains_key("service"), "clocks/ is not there, so the shipped ones count");
    std::fs::write(dir.path().join("calendars/berlin.toml"), "time_zone = 3").unwrap();
    let error = Calendars::load(Some(dir.path())).unwrap_err();
    assert!(error.0.starts_with("calendars/berlin.toml: line 1"), "{error}");
}
