//! Runs fuzz targets under `cargo test`: first their corpus, then seeded mutations of it.
//!
//! A target is a plain `fn(&[u8])` that panics where something does not hold, so that cargo-fuzz and AFL take the same
//! function. Its corpus is a folder `corpus/<target>` of its crate, one input a file, named after what is nasty about it.
//! The plain run is the same each time, since its seed never changes; with `FUZZ_ITERATIONS=<N>` it takes that many inputs,
//! of a new seed, and `FUZZ_SEED=<seed>` repeats one. A failure says which input it was, where it is kept, and how it
//! becomes part of the corpus.

mod mutation;

use std::{
    any::Any,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use mutation::Mutator;

/// Inputs of a plain run, beside the corpus, and the processor time after which it takes no more of them.
const ITERATIONS: u64 = 5_000;
const RUN_CPU_MAX: Duration = Duration::from_secs(3);

/// The seed of a plain run.
const SEED: u64 = 0x50_75_6b;

/// Processor time that one input may take. It is no measure of speed: what grows with the square of its input passes it.
const INPUT_CPU_MAX: Duration = Duration::from_secs(1);

/// How much of an input is printed.
const PRINTED_MAX: usize = 512;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The folder of its crate: `env!("CARGO_MANIFEST_DIR")`.
    pub crate_folder: &'static str,
    /// Its name, and the one of the folder with its corpus.
    pub name: &'static str,
    /// The function; what it panics with is what is wrong.
    pub function: fn(&[u8]),
}

/// How much a run does.
#[derive(Clone, Copy, Debug)]
struct Effort {
    iterations: u64,
    seed: u64,
    cpu_max: Duration,
}

/// Where an input came from.
#[derive(Clone, Debug)]
enum Origin {
    Corpus(PathBuf),
    Mutation { seed: u64, iteration: u64 },
}

impl Target {
    /// Runs the target on its corpus and on mutations of it.
    ///
    /// # Panics
    /// If the target does, with the input, its origin, and what to do next; or if there is no corpus.
    pub fn run(self) {
        self.run_with(Effort::told(), &[]);
    }

    /// The same, with the files of another folder of its crate as if they were in its corpus: the examples of other tests.
    ///
    /// # Panics
    /// As [`run`](Self::run); also if there are no examples.
    pub fn run_on_examples_too(self, folder: &str) {
        self.run_with(Effort::told(), &[folder]);
    }

    fn run_with(self, effort: Effort, examples: &[&str]) {
        let crate_folder = Path::new(self.crate_folder);
        let folders = [crate_folder.join("corpus").join(self.name)].into_iter();
        let mut corpus = Vec::new();
        for folder in folders.chain(examples.iter().map(|folder| crate_folder.join(folder))) {
            let files = read(&folder);
            assert!(!files.is_empty(), "{} has no corpus in {}", self.name, folder.display());
            corpus.extend(files);
        }
        for (file, input) in &corpus {
            self.check(input, &Origin::Corpus(file.clone()));
        }
        let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
        let begun = cpu();
        for iteration in 0..effort.iterations {
            if cpu().saturating_sub(begun) > effort.cpu_max {
                return;
            }
            let input = Mutator::new(&corpus, effort.seed.wrapping_add(iteration)).input();
            self.check(&input, &Origin::Mutation { seed: effort.seed, iteration });
        }
    }

    fn check(self, input: &[u8], origin: &Origin) {
        let begun = cpu();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.function)(input)));
        let taken = cpu().saturating_sub(begun);
        let wrong = match outcome {
            Err(panic) => text_of(&*panic).to_owned(),
            Ok(()) if taken > INPUT_CPU_MAX => {
                format!("it took {taken:?} of a processor; {INPUT_CPU_MAX:?} are the most")
            }
            Ok(()) => return,
        };
        panic!("{}", self.report(input, origin, &wrong));
    }

    fn report(self, input: &[u8], origin: &Origin, wrong: &str) -> String {
        let Self { crate_folder, name, .. } = self;
        let mut report = format!("fuzz target {name}: {wrong}\n");
        let shown = input[..input.len().min(PRINTED_MAX)].escape_ascii();
        let more = if input.len() > PRINTED_MAX { "…" } else { "" };
        // Writing to a String does not fail.
        let _infallible = match origin {
            Origin::Corpus(file) => writeln!(report, "  file:  {}", file.display()),
            Origin::Mutation { seed, iteration } => writeln!(
                report,
                "  seed:  {seed}, input {iteration}\n  again: FUZZ_SEED={seed} FUZZ_ITERATIONS={} cargo test <this test>",
                iteration + 1
            ),
        };
        let _infallible = writeln!(report, "  input: b\"{shown}\"{more} ({} bytes)", input.len());
        if matches!(origin, Origin::Mutation { .. }) {
            let kept = std::env::temp_dir().join(format!("fuzz-{name}-{:016x}", digest(input)));
            let _infallible = match fs::write(&kept, input) {
                Ok(()) => writeln!(
                    report,
                    "  keep:  cp {} {crate_folder}/corpus/{name}/<what-is-nasty-about-it>",
                    kept.display()
                ),
                Err(error) => writeln!(report, "  it could not be written to {}: {error}", kept.display()),
            };
        }
        report
    }
}

impl Effort {
    /// The plain run, or what the environment asks for.
    fn told() -> Self {
        let (iterations, seed) = (number("FUZZ_ITERATIONS"), number("FUZZ_SEED"));
        Self {
            iterations: iterations.unwrap_or(ITERATIONS),
            seed: seed.unwrap_or_else(|| if iterations.is_some() { fastrand::u64(..) } else { SEED }),
            cpu_max: if iterations.is_some() { Duration::MAX } else { RUN_CPU_MAX },
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test has no config; this is the one place that reads these two")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// The files of a folder, in the order of their names.
fn read(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    let input = |file: PathBuf| {
        let input = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, input)
    };
    files.into_iter().map(input).collect()
}

/// Processor time that this thread has used, which no other load on the machine lengthens.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// FNV-1a, to name a file after its content.
fn digest(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort { iterations: 20_000, seed: 7, cpu_max: Duration::MAX };

    /// A crate whose target has a corpus of these inputs.
    fn target(inputs: &[(&str, &[u8])], function: fn(&[u8])) -> Target {
        let folder = tempfile::tempdir().unwrap().keep();
        fs::create_dir_all(folder.join("corpus/t")).unwrap();
        for (name, input) in inputs {
            fs::write(folder.join("corpus/t").join(name), input).unwrap();
        }
        Target { crate_folder: folder.to_str().unwrap().to_owned().leak(), name: "t", function }
    }

    fn failure(target: Target) -> String {
        failure_with(target, &[])
    }

    fn failure_with(target: Target, examples: &[&str]) -> String {
        let outcome = catch_unwind(|| target.run_with(EFFORT, examples));
        fs::remove_dir_all(target.crate_folder).unwrap();
        text_of(&*outcome.expect_err("it finds nothing")).to_owned()
    }

    #[test]
    fn a_file_of_the_corpus_that_fails_is_named() {
        let report =
            failure(target(&[("a-good-one", b"a"), ("the-bad-one", b"bad")], |input| assert_ne!(input, b"bad")));
        assert!(report.contains("corpus/t/the-bad-one") && report.contains(r#"b"bad" (3 bytes)"#), "{report}");
    }

    #[test]
    fn examples_of_other_tests_are_inputs_too_but_not_their_folders() {
        let found = target(&[("a-good-one", b"a")], |input| assert_ne!(input, b"bad"));
        fs::create_dir_all(Path::new(found.crate_folder).join("tests/examples/folder")).unwrap();
        fs::write(Path::new(found.crate_folder).join("tests/examples/the-bad-one"), "bad").unwrap();
        let report = failure_with(found, &["tests/examples"]);
        assert!(report.contains("tests/examples/the-bad-one"), "{report}");
        assert!(failure_with(target(&[("a", b"a")], |_| ()), &["tests/none"]).contains("has no corpus in"));
    }

    #[test]
    fn mutations_find_what_no_file_has_and_the_report_repeats_it() {
        // A piece of one file within the other one, then a byte that is in neither.
        let find = || {
            target(&[("one", b"key=value"), ("two", b"something:else")], |input| {
                let spliced = input.windows(8).any(|piece| piece == b"key=some");
                assert!(!spliced, "spliced");
                assert!(!(input.starts_with(b"key") && input.contains(&0xff)), "a strange byte");
            })
        };
        let report = failure(find());
        assert!(report.contains("fuzz target t: ") && report.contains("seed:  7"), "{report}");
        let line = |report: &str, start: &str| report.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        assert_eq!(line(&report, "  input:"), line(&failure(find()), "  input:"), "the same seed, another input");
        let kept = line(&report, "  keep:").split_whitespace().nth(2).unwrap().to_owned();
        let input = fs::read(&kept).unwrap();
        assert!(report.contains(&format!("({} bytes)", input.len())));
        fs::remove_file(kept).unwrap();
    }

    #[test]
    fn an_input_that_takes_too_long_is_a_failure() {
        let slow = |_: &[u8]| {
            let begun = cpu();
            while cpu() - begun < INPUT_CPU_MAX + Duration::from_millis(10) {}
        };
        let report = failure(target(&[("slow", b"slow")], slow));
        assert!(report.contains("of a processor"), "{report}");
    }

    #[test]
    fn a_target_without_a_corpus_is_a_failure() {
        assert!(failure(target(&[], |_| ())).contains("has no corpus"));
    }
}
