//! What the daemon tells its operator, on stderr. Logs name cases, never people or content: libraries that handle
//! mail are silenced here whatever level is set, and a panic is told by its place alone.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::settings::{Log, LogFormat};

/// Libraries whose messages, even warnings, repeat what they were given: async-imap's parse errors hold the whole
/// buffer, html5ever warns with the names of nodes.
const SILENT: [&str; 9] = [
    "async_imap",
    "imap_proto",
    "mail_parser",
    "mail_auth",
    "ammonia",
    "html5ever",
    "markup5ever",
    "encoding_rs",
    "whatlang",
];

/// Starts logging for the whole process and replaces the panic message. A second call changes nothing.
pub fn init(log: &Log) {
    let look = Look {
        colours: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        journal: leads_to_the_journal(),
    };
    if layer(log, &look, std::io::stderr).with_subscriber(tracing_subscriber::registry()).try_init().is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
}

struct Look {
    colours: bool,
    /// The journal writes the time itself, and takes the level from the start of the line.
    journal: bool,
}

/// Whether stderr is the stream that systemd names, and was not redirected since (systemd.exec(5), JOURNAL_STREAM).
fn leads_to_the_journal() -> bool {
    let Ok(about) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", about.dev(), about.ino()))
}

/// Caseward at the level set, others at warnings, those that handle content not at all.
fn filter(level: &str) -> Targets {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("caseward", level)
        .with_targets(SILENT.map(|target| (target, LevelFilter::OFF)))
}

fn layer<W>(log: &Log, look: &Look, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let base = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(look.colours);
    let filter = filter(&log.level);
    let plain = || format().without_time().with_ansi(look.colours);
    match (log.format, look.journal) {
        (LogFormat::Text, false) => base.with_filter(filter).boxed(),
        (LogFormat::Text, true) => base.event_format(Prioritised(plain())).with_filter(filter).boxed(),
        (LogFormat::Json, false) => base.json().with_filter(filter).boxed(),
        (LogFormat::Json, true) => {
            let format = Prioritised(plain().json());
            base.fmt_fields(JsonFields::new()).event_format(format).with_filter(filter).boxed()
        }
    }
}

/// `<4>` and its like before each line: the journal keeps it as the priority (sd-daemon(3)).
struct Prioritised<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            tracing::Level::ERROR => 3,
            tracing::Level::WARN => 4,
            tracing::Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

/// The payload may carry content, so that only the place is told.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(place, thread, %trace, "a part of the daemon panicked");
    } else {
        tracing::error!(place, thread, "a part of the daemon panicked; RUST_BACKTRACE=1 tells more");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: LogFormat, act: impl FnOnce()) -> String {
        written(level, format, false, act)
    }

    fn written(level: &str, format: LogFormat, journal: bool, act: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let log = Log { format, level: level.into() };
        let look = Look { colours: false, journal };
        let subscriber =
            layer(&log, &look, move || writer.clone()).with_subscriber(tracing_subscriber::registry());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_that_handle_mail_are_silent_at_every_level() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let text = logged(level, LogFormat::Text, || {
                tracing::error!(target: "async_imap::imap_stream", "content");
                tracing::error!(target: "imap_proto", "content");
                tracing::error!(target: "mail_parser::parsers", "content");
                tracing::error!(target: "mail_auth", "content");
                tracing::error!(target: "html5ever::tree_builder", "content");
                for_each_library!(
                    "lettre",
                    "rustls",
                    "diesel",
                    "tokio_postgres",
                    "reqwest",
                    "hyper",
                    "actix_web"
                );
                tracing::error!(target: "caseward::intake", "ours");
            });
            assert!(!text.contains("content"), "{level}: {text}");
            assert!(text.contains("ours"), "{level}: {text}");
        }
    }

    /// What other libraries say below a warning.
    macro_rules! for_each_library {
        ($($target:literal),*) => {
            $(
                tracing::info!(target: $target, "content");
                tracing::debug!(target: $target, "content");
                tracing::trace!(target: $target, "content");
            )*
        };
    }
    use for_each_library;

    #[test]
    fn the_level_is_ours_and_never_makes_others_louder() {
        let act = || {
            tracing::debug!(target: "caseward::desk", "ours-debug");
            tracing::info!(target: "caseward::desk", "ours-info");
            tracing::warn!(target: "rustls", "theirs-warn");
        };
        let text = logged("debug", LogFormat::Text, act);
        assert!(
            text.contains("ours-debug") && text.contains("ours-info") && text.contains("theirs-warn"),
            "{text}"
        );
        let text = logged("info", LogFormat::Text, act);
        assert!(
            !text.contains("ours-debug") && text.contains("ours-info") && text.contains("theirs-warn"),
            "{text}"
        );
        assert_eq!(logged("error", LogFormat::Text, act), "");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged("info", LogFormat::Json, || {
            tracing::info!(target: "caseward", case = "HR-7K3M-9QXD", "opened\nforged line");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["case"], "HR-7K3M-9QXD");
        assert!(line.get("timestamp").is_some());
    }

    #[test]
    fn the_journal_gets_the_level_as_priority_and_no_second_time() {
        let act = || {
            let _span = tracing::info_span!(target: "caseward", "mail", uid = 7).entered();
            tracing::error!(target: "caseward", "one");
            tracing::warn!(target: "caseward", "two");
            tracing::info!(target: "caseward", "three");
            tracing::debug!(target: "caseward", "four");
        };
        let text = written("debug", LogFormat::Text, true, act);
        let starts: Vec<&str> = text.lines().filter_map(|line| line.get(..9)).collect();
        assert_eq!(starts, ["<3>ERROR ", "<4> WARN ", "<6> INFO ", "<7>DEBUG "], "{text}");
        let text = written("debug", LogFormat::Json, true, act);
        let line: serde_json::Value =
            serde_json::from_str(text.lines().next().unwrap().strip_prefix("<3>").unwrap()).unwrap();
        assert!(line.get("timestamp").is_none(), "{line}");
        assert_eq!(line["span"]["uid"], 7, "{line}");
    }

    #[test]
    fn a_panic_tells_its_place_and_not_its_message() {
        let text = logged("info", LogFormat::Text, || {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(panicked));
            let outcome = std::panic::catch_unwind(|| panic!("the salary of somebody"));
            std::panic::set_hook(before);
            assert!(outcome.is_err());
        });
        assert!(text.contains("src/logging.rs:"), "{text}");
        assert!(!text.contains("salary"), "{text}");
    }
}
