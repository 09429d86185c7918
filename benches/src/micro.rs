//! What the micro benches found, read from where criterion leaves it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// How long one part of a request takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MicroFigure {
    /// What was measured: `verdict`, `route match`.
    pub group: String,
    /// Which of it: `a ticket`, `10 routes`.
    pub name: String,
    /// The median of the samples.
    pub median: Nanoseconds,
    /// Where the median lies with a confidence of 95 %, from and to.
    pub interval: (Nanoseconds, Nanoseconds),
}

/// A time that is shown in the unit that suits it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Nanoseconds(pub f64);

/// `benchmark.json`: what it is called.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
}

/// `estimates.json`, as far as it is read.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: Nanoseconds,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: Nanoseconds,
    upper_bound: Nanoseconds,
}

/// The figures below `folder` (`target/criterion`), by group and name; none if there was no run. Whoever wants those of one run
/// alone empties the folder before it.
///
/// # Errors
/// What is there cannot be read.
pub fn read(folder: &Path) -> io::Result<Vec<MicroFigure>> {
    let mut figures = Vec::new();
    for group in folders(folder)? {
        for benchmark in folders(&group)? {
            let new = benchmark.join("new");
            if new.join("estimates.json").exists() {
                figures.push(figure(&new)?);
            }
        }
    }
    figures.sort_by(|one, other| (&one.group, &one.name).cmp(&(&other.group, &other.name)));
    Ok(figures)
}

fn figure(folder: &Path) -> io::Result<MicroFigure> {
    let Benchmark { group_id, function_id } = json(&folder.join("benchmark.json"))?;
    let Estimates { median } = json(&folder.join("estimates.json"))?;
    let Interval { lower_bound, upper_bound } = median.confidence_interval;
    Ok(MicroFigure {
        group: group_id,
        name: function_id.unwrap_or_default(),
        median: median.point_estimate,
        interval: (lower_bound, upper_bound),
    })
}

fn json<T: for<'d> Deserialize<'d>>(file: &Path) -> io::Result<T> {
    let wrong = |error| io::Error::other(format!("{}: {error}", file.display()));
    serde_json::from_slice(&fs::read(file)?).map_err(wrong)
}

/// The folders in `folder`; none if it is not there.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ns if ns < 100.0 => write!(f, "{ns:.1} ns"),
            ns if ns < 1000.0 => write!(f, "{ns:.0} ns"),
            ns if ns < 100_000.0 => write!(f, "{:.1} µs", ns / 1e3),
            ns if ns < 1e6 => write!(f, "{:.0} µs", ns / 1e3),
            ns => write!(f, "{:.1} ms", ns / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("candor-micro-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn left_by_criterion(folder: &Path, group: &str, name: &str, median: f64) {
        let new = folder.join(group).join(name).join("new");
        fs::create_dir_all(&new).expect("a folder");
        let benchmark = serde_json::json!({ "group_id": group, "function_id": name, "full_id": "…" });
        fs::write(new.join("benchmark.json"), benchmark.to_string()).expect("a file");
        let estimate = |point: f64| {
            let interval = serde_json::json!({
                "confidence_level": 0.95, "lower_bound": point - 1.0, "upper_bound": point + 2.0,
            });
            serde_json::json!({ "confidence_interval": interval, "point_estimate": point, "standard_error": 0.5 })
        };
        let estimates = serde_json::json!({ "mean": estimate(0.0), "median": estimate(median) });
        fs::write(new.join("estimates.json"), estimates.to_string()).expect("a file");
    }

    #[test]
    fn the_median_of_each_is_read_and_its_interval() {
        let folder = folder("read");
        left_by_criterion(&folder, "verdict", "a ticket", 4000.0);
        left_by_criterion(&folder, "route match", "10 routes", 120.0);
        fs::create_dir_all(folder.join("report")).expect("criterion's own pages");
        let figures = read(&folder).expect("they can be read");
        let names: Vec<_> = figures.iter().map(|figure| (&*figure.group, &*figure.name)).collect();
        assert_eq!(names, [("route match", "10 routes"), ("verdict", "a ticket")]);
        assert_eq!(figures[1].median, Nanoseconds(4000.0));
        assert_eq!(figures[1].interval, (Nanoseconds(3999.0), Nanoseconds(4002.0)));
        fs::write(folder.join("verdict/a ticket/new/estimates.json"), "{}").expect("a file");
        assert!(read(&folder).expect_err("a figure is missing").to_string().contains("estimates.json"));
        fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn no_run_has_no_figures() {
        assert_eq!(read(&folder("none")).expect("nothing is wrong"), []);
    }

    #[test]
    fn a_time_is_shown_in_the_unit_that_suits_it() {
        let check = |nanoseconds: f64, expected: &str| assert_eq!(Nanoseconds(nanoseconds).to_string(), expected);
        check(8.25, "8.2 ns");
        check(812.4, "812 ns");
        check(1234.0, "1.2 µs");
        check(245_600.0, "246 µs");
        check(1_500_000.0, "1.5 ms");
    }
}
