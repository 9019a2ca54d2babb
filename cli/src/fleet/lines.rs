//! What processes print, line by line, with the name of whoever printed it.
//!
//! A thread reads each stream to its end, so that nothing is lost and no process waits for anybody but the terminal. A
//! line is written at once, under standard error's lock, so that none has another's words in it.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use mesh::telemetry::{Format, colours};
use serde::{Deserialize as _, de::IgnoredAny};
use tokio::sync::watch;

/// Bytes of a line at most; what is longer becomes several.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The colours of names on a terminal, in turn: none that terminals use for errors.
const COLOURS: [&str; 5] = ["36", "32", "35", "34", "33"];

/// In front of the lines of one replica.
#[derive(Clone, Debug)]
pub(super) struct Label {
    /// What is before the text of a line, and before the fields of an object.
    text: String,
    field: String,
    format: Format,
}

impl Label {
    /// For the `index`th replica of names that are at most `width` long.
    pub(super) fn new(name: &str, index: usize, width: usize, format: Format) -> Self {
        let text = match COLOURS[index % COLOURS.len()] {
            colour if colours() => format!("\x1b[{colour}m{name:width$} |\x1b[0m "),
            _ => format!("{name:width$} | "),
        };
        Self { text, field: format!("{{\"replica\":\"{name}\""), format }
    }

    /// The line as it is shown.
    fn show(&self, line: &[u8]) -> Vec<u8> {
        match self.format {
            Format::Text => [self.text.as_bytes(), line, b"\n"].concat(),
            Format::Json => match fields(line) {
                Some(b"}") => [self.field.as_bytes(), b"}\n"].concat(),
                Some(fields) => [self.field.as_bytes(), b",", fields, b"\n"].concat(),
                // Such as the last words of a program that panics before it has a log.
                None => {
                    let line = serde_json::Value::from(String::from_utf8_lossy(line));
                    format!("{},\"line\":{line}}}\n", self.field).into_bytes()
                }
            },
        }
    }
}

/// What follows the brace that opens an object; none if the line is no object.
fn fields(line: &[u8]) -> Option<&[u8]> {
    let rest = line.trim_ascii().strip_prefix(b"{")?.trim_ascii_start();
    let mut object = serde_json::Deserializer::from_slice(line);
    IgnoredAny::deserialize(&mut object).and_then(|_| object.end()).ok()?;
    Some(rest)
}

/// Tells when everything was written.
#[derive(Debug)]
pub(super) struct Written(Receiver<()>);

/// Held by each thread that still reads.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    _alive: Sender<()>,
}

/// A pair that tells when all holders of the first are gone.
pub(super) fn reading() -> (Reading, Written) {
    let (sender, receiver) = std::sync::mpsc::channel();
    (Reading { _alive: sender }, Written(receiver))
}

impl Written {
    /// Returns when every stream has come to its end, or the time is over.
    pub(super) fn wait(self, limit: Duration) {
        let _late = self.0.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
    }
}

/// Shows what comes out of `from`. `ready`, if this is where it is said, is set once the process says that it listens.
pub(super) fn follow(from: io::PipeReader, label: Label, ready: Option<watch::Sender<bool>>, reading: Reading) {
    let read = move || {
        // A stream that cannot be read any more has ended.
        let _ended = each(BufReader::new(from), |line| {
            let shown = label.show(line);
            let _closed = io::stderr().lock().write_all(&shown).is_err();
            if let Some(ready) = ready.as_ref().filter(|_| says_listening(line)) {
                ready.send_replace(true);
            }
        });
        drop(reading);
    };
    let name = "output".to_owned();
    if let Err(error) = thread::Builder::new().name(name).spawn(read) {
        tracing::error!(%error, "cannot read what a process prints");
    }
}

fn says_listening(line: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|event| event["event"] == "listening")
}

/// Calls `line` with each line, and with each piece of one that is too long.
fn each(mut from: impl BufRead, mut line: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut bytes, mut cut) = (Vec::new(), false);
    let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    while (&mut from).take(most).read_until(b'\n', &mut bytes)? > 0 {
        let ended = bytes.pop_if(|last| *last == b'\n').is_some();
        // The end of a line that was cut right before it is no line of its own.
        if !(cut && bytes.is_empty()) {
            line(&bytes);
        }
        cut = !ended;
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        each(text, |line| lines.push(line.to_vec())).unwrap();
        lines
    }

    #[test]
    fn a_line_that_never_ends_comes_in_pieces_and_nothing_is_lost() {
        assert_eq!(lines(b"a\n\nb"), [b"a".to_vec(), vec![], b"b".to_vec()]);
        let endless = vec![b'x'; 3 * LINE_BYTES_MAX];
        let pieces = lines(&[&endless[..], b"\nnext\n"].concat());
        assert_eq!(pieces.len(), 4);
        assert!(pieces.iter().all(|piece| piece.len() <= LINE_BYTES_MAX));
        assert_eq!((pieces[..3].concat(), pieces[3].as_slice()), (endless, &b"next"[..]));
    }

    #[test]
    fn a_line_of_text_has_the_name_in_front() {
        let label = Label { text: "catalog.1    | ".into(), field: String::new(), format: Format::Text };
        assert_eq!(label.show(b"draining"), b"catalog.1    | draining\n");
    }

    #[test]
    fn a_line_of_json_gets_a_field_and_anything_else_becomes_an_object() {
        let label = Label::new("catalog.1", 0, 9, Format::Json);
        for (line, shown) in [
            (r#"{"level":"INFO"}"#, r#"{"replica":"catalog.1","level":"INFO"}"#),
            ("{ }", r#"{"replica":"catalog.1"}"#),
            ("{ {", r#"{"replica":"catalog.1","line":"{ {"}"#),
            (r#"say "hi""#, r#"{"replica":"catalog.1","line":"say \"hi\""}"#),
            ("7", r#"{"replica":"catalog.1","line":"7"}"#),
        ] {
            let written = String::from_utf8(label.show(line.as_bytes())).unwrap();
            assert_eq!(written, format!("{shown}\n"));
        }
    }
}
