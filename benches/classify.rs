//! `cargo bench --bench classify [-- MAILS]`: how long the classifier takes to start, for a mail of 2 KB and for hostile
//! text, and whether its memory grows over MAILS mails (one million unless told). Prints; asserts nothing.

use std::time::Instant;

use caseward::intake::classify::{Classifier, Input, Judge, OperatingPoint};

const MAIL: &str = "Dear all,\n\nI have two questions about the payslip for October. In the second week I worked three night shifts, on the 8th, 9th and 10th, and the allowance is there for two of them. My shift leader has signed the sheet and I attach a copy. Could you also tell me which tax code is used now? The letter from the office came last week and I should like to be sure that it reached you.\n\nBesides that I would like to take four days of holiday in December, from the 16th to the 19th. It is agreed within the team.\n\n";

fn main() {
    let started = Instant::now();
    let judge = match Judge::load(None, OperatingPoint::default()) {
        Ok(judge) => judge,
        Err(error) => return eprintln!("{error}"),
    };
    println!("start-up with the model: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let mail: String = MAIL.chars().cycle().take(2048).collect();
    let classify = |text: &str| {
        judge.classify(&Input { subject: "October", new_text: text, whole_text: text, ..Input::default() })
    };
    let mut times: Vec<f64> = (0..3_000)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(classify(&mail));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("a mail of 2 KB: median {:.0} µs, 95 of 100 within {:.0} µs", at(50), at(95));

    for (name, text) in [
        ("one word without end", "a".repeat(10_000_000)),
        ("single letters", "a ".repeat(5_000_000)),
        ("sentences", "He said. ".repeat(1_100_000)),
        ("zero-width letters", "t\u{200b}h\u{200b}r\u{200b}e\u{200b}a\u{200b}t ".repeat(400_000)),
        ("other scripts", "угроза χ𝐭𝐡 ".repeat(400_000)),
    ] {
        let started = Instant::now();
        std::hint::black_box(classify(&text));
        println!("10 MB of {name}: {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    }

    let mails: u32 =
        std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let (before, started) = (resident(), Instant::now());
    for number in 0..mails {
        std::hint::black_box(classify(&format!("{number} {}", mail.get(..400).unwrap_or_default())));
    }
    println!(
        "{mails} mails: {:.0} s; memory before {before} KB, after {} KB",
        started.elapsed().as_secs_f64(),
        resident()
    );
}

/// Resident memory in KB, as Linux says it; 0 elsewhere.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
