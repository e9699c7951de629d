//! Invented mails and who is kept from their cases. In the table a name stands for a user of HR; `+` behind it adds
//! the head of HR with her deputy and her assistant, who are in the line of everybody in HR.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::directory::Member;

/// Key, name, manager, whom they assist, role in HR or `executive`, whether a user.
type Line = (&'static str, &'static str, &'static str, &'static str, &'static str, bool);

const PEOPLE: [Line; 19] = [
    ("chief", "Rosalind Achterberg", "", "", "executive", false),
    ("wilhelmina", "Wilhelmina Tarrant", "chief", "chief", "", false),
    ("amara", "Amara Okonjo-Pell", "chief", "", "head", true),
    ("desmond", "Desmond Thackray", "amara", "", "deputy", true),
    ("priyanka", "Priyanka Raghunathan", "amara", "amara", "agent", true),
    ("maeve", "Maeve Carrigan", "amara", "", "agent", true),
    ("anna", "Anna Weiß", "amara", "", "agent", true),
    ("ines", "Inès Vautrelle", "amara", "", "agent", true),
    ("jonasb", "Jonas Brückl", "amara", "", "agent", true),
    ("jonasl", "Jonas Lindqvist", "amara", "", "agent", true),
    ("lucia", "Lucía Ferrándiz Gómez", "amara", "", "agent", true),
    ("callum", "Callum Drysdale", "chief", "", "", false),
    ("solene", "Solène Kermadec", "callum", "callum", "", true),
    ("nkechi", "Nkechi Balogun-Hart", "callum", "", "", false),
    ("owen", "Owen Prydderch", "callum", "", "", false),
    ("fritz", "Fritz Weber", "callum", "", "", false),
    ("karla", "Karla Weber", "maeve", "", "", false),
    ("anna2", "Anna Dussaux", "callum", "", "", false),
    ("weiss", "Horst Weiss", "chief", "", "", false),
];
/// Users who are in no directory.
const OUTSIDE: [(&str, &str); 2] =
    [("hildegard", "Hildegard Moosbrugger"), ("counsel", "Tobias van Wendelin")];
const HEADS: [&str; 3] = ["amara", "desmond", "priyanka"];
const HR: &str = "amara+ maeve anna ines jonasb jonasl lucia";

struct Meridian {
    roster: Roster,
    colleagues: Vec<Colleague>,
    keys: HashMap<UserId, &'static str>,
}

fn meridian() -> Meridian {
    let ids: HashMap<&str, PersonId> = PEOPLE.iter().map(|(key, ..)| (*key, PersonId::new())).collect();
    let address = |key: &str| format!("{key}@meridian.example");
    let members = PEOPLE.iter().map(|(key, name, manager, assists, role, _)| Member {
        id: ids[key],
        employee_id: (*key).into(),
        name: (*name).into(),
        addresses: vec![address(key)],
        manager: ids.get(manager).copied(),
        assistant_of: ids.get(assists).copied(),
        executive: *role == "executive",
        hr_role: Some((*role).to_owned()).filter(|role| !role.is_empty() && role != "executive"),
    });
    let mut keys = HashMap::new();
    let mut colleague = |key: &'static str, name: &str, person| {
        let id = UserId::new();
        keys.insert(id, key);
        Colleague { id, name: name.into(), address: Some(address(key)), person }
    };
    let mut colleagues: Vec<Colleague> = Vec::new();
    for (key, name, .., user) in PEOPLE {
        if user {
            colleagues.push(colleague(key, name, Some(ids[key])));
        }
    }
    colleagues.extend(OUTSIDE.map(|(key, name)| colleague(key, name, None)));
    Meridian { roster: Roster::new(members.collect()), colleagues, keys }
}

impl Meridian {
    fn look(&self, from: &str, copied: &[&str], sensitive: bool, text: &str) -> Finding {
        let letter = Letter {
            from: &format!("{from}@meridian.example"),
            copied,
            subject: "A matter",
            text,
            ours: &|address| address.starts_with("hr@"),
            sensitive,
            accusing: true,
        };
        find(&letter, &self.roster, &self.colleagues)
    }

    /// `walled maeve, last anna, restricted`.
    fn told(&self, finding: &Finding) -> String {
        let mut by_bar: BTreeMap<Bar, BTreeSet<&str>> = BTreeMap::new();
        for (user, (bar, _)) in &finding.barred {
            by_bar.entry(*bar).or_default().insert(self.keys[user]);
        }
        let restricted = finding.restricted.then(|| "restricted".to_owned());
        let bars = by_bar
            .into_iter()
            .rev()
            .map(|(bar, who)| format!("{bar} {}", who.into_iter().collect::<Vec<_>>().join(" ")));
        bars.chain(restricted).collect::<Vec<_>>().join(", ")
    }
}

/// The table's shorthand, spelled out and in order.
fn spelled_out(expected: &str) -> String {
    let parts = expected.split(", ").filter(|part| !part.is_empty()).map(|part| {
        let Some((bar, who)) = part.split_once(' ') else { return part.to_owned() };
        let who: BTreeSet<&str> = who
            .split(' ')
            .flat_map(|who| match who.strip_suffix('+') {
                Some(who) => [vec![who], HEADS.to_vec()].concat(),
                None => vec![who],
            })
            .collect();
        format!("{bar} {}", who.into_iter().collect::<Vec<_>>().join(" "))
    });
    parts.collect::<Vec<_>>().join(", ")
}

const SENSITIVE: bool = true;
const STANDARD: bool = false;

#[test]
fn who_is_walled_and_who_is_not() {
    let all_hr = format!("walled {HR}, restricted");
    let all_and_solene = format!("walled {HR} solene, restricted");
    let (all_hr, all_and_solene) = (all_hr.as_str(), all_and_solene.as_str());
    let table: &[(&str, bool, &str, &str)] = &[
        // English: who accuses whom.
        ("nkechi", SENSITIVE, "Maeve Carrigan has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "maeve carrigan has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Ms Carrigan has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "M. Carrigan has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Maeve C. has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Carrigan, Maeve has been mocking my accent.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Maeve's jokes about my accent hurt.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "I was mocked again by MC on Friday.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "It is maeve@meridian.example who mocks me.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Amara Okonjo-Pell touched me.", all_hr),
        ("nkechi", SENSITIVE, "The head of HR touched me.", all_hr),
        ("nkechi", SENSITIVE, "Our HR director covers it up.", all_hr),
        ("nkechi", SENSITIVE, "Mrs Okonjo-Pell covers it up.", all_hr),
        ("nkechi", SENSITIVE, "Rosalind Achterberg takes bribes.", all_and_solene),
        ("nkechi", SENSITIVE, "The CEO takes bribes.", all_and_solene),
        ("nkechi", SENSITIVE, "My manager hit me.", "walled solene"),
        ("nkechi", SENSITIVE, "Callum hit me.", "walled solene"),
        ("nkechi", SENSITIVE, "I am afraid of my line manager.", "walled solene"),
        ("nkechi", SENSITIVE, "Callum Drysdale hit me.", "walled solene"),
        ("nkechi", SENSITIVE, "Owen Prydderch hit me.", "walled solene"),
        ("karla", SENSITIVE, "My boss bullies me every day.", "walled maeve+, restricted"),
        ("karla", SENSITIVE, "Maeve bullies me every day.", "walled maeve+, restricted"),
        ("nkechi", SENSITIVE, "Karla Weber spat at me.", "walled maeve+"),
        ("nkechi", SENSITIVE, "Mr Weber spat at me.", "held maeve+ solene"),
        ("nkechi", SENSITIVE, "Jonas from HR stalks me.", "held jonasb+ jonasl, restricted"),
        ("nkechi", SENSITIVE, "Jonas Lindqvist stalks me.", "walled jonasl+, restricted"),
        (
            "nkechi",
            SENSITIVE,
            "Jonas stalks me, I mean Jonas Brueckl.",
            "walled jonasb+, held jonasl, restricted",
        ),
        ("nkechi", SENSITIVE, "Somebody in HR leaks medical files.", "restricted"),
        ("nkechi", SENSITIVE, "Hildegard Moosbrugger takes bribes.", "walled hildegard, restricted"),
        ("nkechi", SENSITIVE, "Tobias van Wendelin insulted me.", "walled counsel, restricted"),
        ("maeve", SENSITIVE, "Desmond Thackray insulted me.", "walled maeve desmond+, restricted"),
        ("maeve", STANDARD, "My own payslip is wrong.", "walled maeve"),
        ("maeve", SENSITIVE, "I am Maeve and somebody stole my bag.", "walled maeve"),
        // English: who is named and accused of nothing.
        ("nkechi", STANDARD, "As Anna in payroll told me, I send the form again.", "last anna"),
        ("nkechi", SENSITIVE, "As Anna in payroll told me, I report that I was hit.", "unassigned anna"),
        (
            "nkechi",
            SENSITIVE,
            "According to Maeve Carrigan this is the place. I was hit.",
            "unassigned maeve",
        ),
        ("nkechi", STANDARD, "Could Maeve Carrigan send me the form?", "last maeve"),
        ("nkechi", STANDARD, "Is the head of HR in on Friday?", "last amara"),
        ("nkechi", SENSITIVE, "Dear Maeve,\n\nI was hit.\n\nKind regards\nNkechi", ""),
        ("nkechi", SENSITIVE, "Hi Maeve, I was hit.", ""),
        ("nkechi", SENSITIVE, "Maeve,\nI was hit.", ""),
        ("nkechi", SENSITIVE, "Hello Anna\nI was hit.\nThanks, Nkechi", ""),
        ("nkechi", SENSITIVE, "I was hit.\n-- \nMaeve Carrigan\nHuman Resources", ""),
        (
            "nkechi",
            SENSITIVE,
            "I was hit.\n\nOn Monday, HR <hr@meridian.example> wrote:\n> Anna Weiß will help.",
            "",
        ),
        (
            "nkechi",
            SENSITIVE,
            "I was hit.\n\nFrom: HR <hr@meridian.example>\nSent: Monday\n\nAnna Weiß will help.",
            "",
        ),
        (
            "nkechi",
            SENSITIVE,
            "I was hit.\nThanks\nNkechi\nPS: it was Maeve Carrigan",
            "walled maeve+, restricted",
        ),
        (
            "nkechi",
            SENSITIVE,
            "Look:\n\nOn Monday, Anna <anna@meridian.example> wrote:\n> Maeve Carrigan says you stink.",
            "walled anna maeve+, restricted",
        ),
        ("nkechi", SENSITIVE, "Anna Dussaux spat at me.", "walled solene"),
        ("anna2", SENSITIVE, "I am Anna. Fritz Weber spat at me.", "walled solene"),
        ("nkechi", SENSITIVE, "May I ask whom HR tells of this?", ""),
        ("nkechi", SENSITIVE, "Nkechi Balogun-Hart here. I was hit.", ""),
        ("nkechi", SENSITIVE, "The shop manager next door shouts.", ""),
        ("nobody", SENSITIVE, "My manager hit me.", ""),
        // German.
        ("fritz", SENSITIVE, "Frau Weiß macht sich über mich lustig.", "held anna+, restricted"),
        ("fritz", SENSITIVE, "Anna Weiss macht sich über mich lustig.", "walled anna+, restricted"),
        ("fritz", SENSITIVE, "Herr Brückl stellt mir nach.", "walled jonasb+, restricted"),
        ("fritz", SENSITIVE, "Herrn Brueckls Witze verletzen mich.", "walled jonasb+, restricted"),
        ("fritz", SENSITIVE, "Jonas stellt mir nach.", "held jonasb+ jonasl, restricted"),
        ("fritz", SENSITIVE, "Die Personalleiterin vertuscht es.", all_hr),
        ("fritz", SENSITIVE, "Der Geschäftsführer nimmt Geld.", all_and_solene),
        ("fritz", SENSITIVE, "Mein Chef hat mich geschlagen.", "walled solene"),
        ("fritz", SENSITIVE, "Ich habe Angst vor meinem Vorgesetzten.", "walled solene"),
        ("karla", SENSITIVE, "Meine Chefin beleidigt mich.", "walled maeve+, restricted"),
        (
            "fritz",
            STANDARD,
            "Wie Anna aus der Lohnabteilung mir sagte, schicke ich es noch einmal.",
            "last anna",
        ),
        ("fritz", SENSITIVE, "Wie mir Anna gesagt hat, melde ich das hier.", "unassigned anna"),
        ("fritz", SENSITIVE, "Laut Frau Carrigan bin ich hier richtig.", "unassigned maeve"),
        (
            "fritz",
            SENSITIVE,
            "Sehr geehrte Frau Carrigan,\nich wurde geschlagen.\nMit freundlichen Grüßen\nFritz Weber",
            "",
        ),
        ("fritz", SENSITIVE, "Hallo Anna,\nich wurde geschlagen.\nLG Fritz", ""),
        ("fritz", SENSITIVE, "Jemand aus der Personalabteilung gibt Akten weiter.", "restricted"),
        // French.
        ("owen", SENSITIVE, "Inès Vautrelle se moque de moi.", "walled ines+, restricted"),
        ("owen", SENSITIVE, "Mme Vautrelle se moque de moi.", "walled ines+, restricted"),
        ("owen", SENSITIVE, "ines se moque de moi", "walled ines+, restricted"),
        ("owen", SENSITIVE, "Ma responsable m'a frappé.", "walled solene"),
        ("owen", SENSITIVE, "J'ai peur de mon chef.", "walled solene"),
        ("owen", SENSITIVE, "La DRH étouffe l'affaire.", all_hr),
        ("owen", STANDARD, "Comme Inès me l'a dit, je renvoie le formulaire.", "last ines"),
        ("owen", SENSITIVE, "Comme me l'a dit Inès, je le signale ici.", "unassigned ines"),
        ("owen", SENSITIVE, "D'après Mme Vautrelle, c'est ici.", "unassigned ines"),
        ("owen", SENSITIVE, "Bonjour Inès,\non m'a frappé.\nCordialement,\nOwen", ""),
        ("owen", SENSITIVE, "Chère Madame Vautrelle,\non m'a frappé.", ""),
        // Spanish.
        ("owen", SENSITIVE, "Lucía Ferrándiz se burla de mí.", "walled lucia+, restricted"),
        ("owen", SENSITIVE, "La señora Gómez se burla de mí.", "walled lucia+, restricted"),
        ("owen", SENSITIVE, "Lucia se burla de mí.", "walled lucia+, restricted"),
        ("owen", SENSITIVE, "Mi jefe me pegó.", "walled solene"),
        ("owen", SENSITIVE, "La directora de recursos humanos lo oculta.", all_hr),
        ("owen", STANDARD, "Como me dijo Lucía, envío el formulario.", "last lucia"),
        ("owen", SENSITIVE, "Según Lucía, aquí se denuncia.", "unassigned lucia"),
        ("owen", SENSITIVE, "Estimada Lucía:\nme pegaron.\nUn saludo,\nOwen", ""),
        ("owen", SENSITIVE, "Hola Lucía, me pegaron.", ""),
        ("owen", SENSITIVE, "Alguien de RRHH filtra expedientes.", "restricted"),
    ];
    assert!(table.len() >= 60, "{}", table.len());
    let house = meridian();
    let mut wrong = Vec::new();
    for (from, sensitive, text, expected) in table {
        let (found, expected) = (house.told(&house.look(from, &[], *sensitive, text)), spelled_out(expected));
        if found != expected {
            wrong.push(format!("{from}: {text:?}\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

#[test]
fn being_copied_keeps_from_assignment_only() {
    let house = meridian();
    let copied = ["hr@meridian.example", "Maeve@meridian.example", "hildegard@meridian.example"];
    let look = |sensitive, text| house.told(&house.look("nkechi", &copied, sensitive, text));
    assert_eq!(look(true, "I was hit."), "unassigned hildegard maeve");
    assert_eq!(look(false, "My payslip is wrong."), "");
    assert_eq!(look(true, "Maeve hit me."), spelled_out("walled maeve+, unassigned hildegard, restricted"));
}

#[test]
fn a_mere_illness_restricts_nothing() {
    let house = meridian();
    let letter = Letter {
        from: "nkechi@meridian.example",
        copied: &[],
        subject: "Maeve Carrigan knows",
        text: "I am ill.",
        ours: &|_| false,
        sensitive: true,
        accusing: false,
    };
    let finding = find(&letter, &house.roster, &house.colleagues);
    assert_eq!(house.told(&finding), spelled_out("walled maeve+"));
}

#[test]
fn the_reason_quotes_the_mail() {
    let house = meridian();
    let finding = house.look("nkechi", &[], true, "It was\nMs  Carrigan.");
    let reasons: BTreeMap<&str, &Reason> =
        finding.barred.iter().map(|(user, (_, reason))| (house.keys[user], reason)).collect();
    assert_eq!(*reasons["maeve"], Reason { why: Why::Named, words: "Ms Carrigan".into() });
    assert_eq!(*reasons["amara"], Reason { why: Why::Line, words: "Ms Carrigan".into() });
}

proptest::proptest! {
    /// Whatever is written: no panic, and who is named in full in a sensitive case is walled.
    #[test]
    fn nobody_named_slips_through(before in "\\PC{0,200}", after in "\\PC{0,200}") {
        let house = meridian();
        let text = format!("{before}\n\nIt was Maeve Carrigan who hit me.\n\n{after}");
        let finding = house.look("nkechi", &[], true, &text);
        let maeve = house.keys.iter().find(|(_, key)| **key == "maeve").map(|(user, _)| *user).unwrap();
        proptest::prop_assert_eq!(finding.barred.get(&maeve).map(|(bar, _)| *bar), Some(Bar::Walled));
    }
}
