//! What a load is told on the command line, read whole before anything is sent.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use url::Url;

use super::mix::{Kind, Mix};
use crate::{drive::Pace, fault::Fault};

/// Browsers, programs and displays in a chosen mix against any gateway, at a rate that waits for nobody.
#[derive(Clone, Debug, Args)]
pub struct LoadOptions {
    /// What to put under load: an http:// address of this machine, or of a host named with --i-own-this.
    #[arg(required_unless_present = "demo", conflicts_with = "demo")]
    pub url: Option<String>,

    /// Start a pretend provider, a pretend service and a gateway in this process, and put that under load.
    #[arg(long)]
    pub demo: bool,

    /// With --demo: during the middle third, the service and the provider reset every connection.
    #[arg(long, requires = "demo", conflicts_with = "url")]
    pub outage: bool,

    /// A host that may be put under load although it is not this machine; can be repeated.
    #[arg(long, value_name = "HOST")]
    pub i_own_this: Vec<String>,

    /// Shares by kind of client: browsers=20,programs=70,displays=10. Kinds: browsers, programs, displays, anonymous,
    /// bad-tokens. Without it, every kind whose credentials are given; anonymous if none are.
    #[arg(long, value_name = "KIND=SHARE,…")]
    pub mix: Option<Mix>,

    /// Requests a second.
    #[arg(long, default_value = "500", value_parser = rate)]
    pub rate: f64,

    /// How long: 500ms, 30s, 5m.
    #[arg(long = "for", default_value = "30s", value_name = "SPAN", value_parser = span)]
    pub span: Duration,

    /// So many connections at most; what waits for one counts from when it was due.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,

    /// An answer that takes longer is none.
    #[arg(long, default_value = "10s", value_name = "SPAN", value_parser = span)]
    pub patience: Duration,

    /// Bearer tokens of the programs, one a line, used by turns.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Bearer tokens that must be refused, one a line.
    #[arg(long, value_name = "FILE")]
    pub bad_token_file: Option<PathBuf>,

    /// Bearer tokens of the displays, one a line, used by turns.
    #[arg(long, value_name = "FILE")]
    pub display_token_file: Option<PathBuf>,

    /// What displays ask for; by default what programs ask for.
    #[arg(long, value_name = "PATH")]
    pub display_path: Option<String>,

    /// What programs ask for; by default the path of the address.
    #[arg(long, value_name = "PATH")]
    pub program_path: Option<String>,

    /// What browsers ask for; by default the path of the address.
    #[arg(long, value_name = "PATH")]
    pub browser_path: Option<String>,

    /// So many browsers sign in, one after the other.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub browsers: u32,

    /// Who signs in at the provider's form; without it no browser does.
    #[arg(long, value_name = "VALUE")]
    pub sign_in_user: Option<String>,

    /// The form's field for who signs in.
    #[arg(long, default_value = "user", value_name = "NAME")]
    pub sign_in_field: String,

    /// A further field of that form, such as a password; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    pub sign_in_also: Vec<(String, String)>,

    /// Where report.html and report.json go.
    #[arg(long, default_value = "target/bench/load")]
    pub out: PathBuf,
}

/// The credentials that a load was given.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Of the programs.
    pub programs: Vec<String>,
    /// Of the displays.
    pub displays: Vec<String>,
    /// Those that are bad.
    pub bad: Vec<String>,
    /// How the form of the provider is filled in; empty if nobody signs in.
    pub form: Vec<(String, String)>,
}

impl LoadOptions {
    /// How fast, how many, over how many connections.
    pub fn pace(&self) -> Pace {
        let connections = usize::try_from(self.connections).unwrap_or(usize::MAX);
        Pace { connections, patience: self.patience, ..Pace::new(self.rate, self.span) }
    }

    /// Reads the files that it names.
    ///
    /// # Errors
    /// A file cannot be read, or has no token in it.
    pub fn credentials(&self) -> Result<Credentials, Fault> {
        let read = |file: &Option<PathBuf>| file.as_ref().map_or_else(|| Ok(Vec::new()), tokens);
        let who = self.sign_in_user.iter().map(|user| (self.sign_in_field.clone(), user.clone()));
        let form: Vec<_> = who.chain(self.sign_in_also.iter().cloned()).collect();
        Ok(Credentials {
            programs: read(&self.token_file)?,
            displays: read(&self.display_token_file)?,
            bad: read(&self.bad_token_file)?,
            form,
        })
    }

    /// The mix, with credentials for all who are in it.
    ///
    /// # Errors
    /// A kind has none.
    pub fn mix(&self, credentials: &Credentials) -> Result<Mix, Fault> {
        let has = |kind: &Kind| credentials.has(*kind);
        let Some(mix) = &self.mix else {
            let given: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Anonymous).filter(has).collect();
            return Ok(Mix::usual(if given.is_empty() { &[Kind::Anonymous] } else { &given }));
        };
        match mix.shares().find(|(kind, _)| !credentials.has(*kind)) {
            None => Ok(mix.clone()),
            Some((kind, _)) => Err(Fault::Usage(format!("{} are in the mix, but {}", kind.as_str(), kind.lack()))),
        }
    }

    /// The address that `kind` asks for, on the site of `url`.
    ///
    /// # Errors
    /// A path leads elsewhere.
    pub fn address(&self, kind: Kind, url: &Url) -> Result<Url, Fault> {
        let programs = &self.program_path;
        let path = match kind {
            Kind::Browsers | Kind::Anonymous => &self.browser_path,
            Kind::Programs | Kind::BadTokens => programs,
            Kind::Displays => {
                if self.display_path.is_some() {
                    &self.display_path
                } else {
                    programs
                }
            }
        };
        let Some(path) = path else { return Ok(url.clone()) };
        match url.join(path) {
            Ok(address) if address.origin() == url.origin() && path.starts_with('/') => Ok(address),
            _ => Err(Fault::Usage(format!("`{path}` is not a path: it has to begin with one /"))),
        }
    }
}

impl Credentials {
    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Browsers => !self.form.is_empty(),
            Kind::Programs => !self.programs.is_empty(),
            Kind::Displays => !self.displays.is_empty(),
            Kind::BadTokens => !self.bad.is_empty(),
            Kind::Anonymous => true,
        }
    }
}

impl Kind {
    /// What is missing where it has no credentials.
    const fn lack(self) -> &'static str {
        match self {
            Self::Browsers => "nobody can sign in without --sign-in-user",
            Self::Programs => "there are no tokens without --token-file",
            Self::Displays => "there are no tokens without --display-token-file",
            Self::BadTokens => "there are no tokens without --bad-token-file",
            Self::Anonymous => "nothing is missing",
        }
    }
}

/// The bearer tokens in `file`, one a line.
///
/// # Errors
/// It cannot be read, a line of it is no bearer token, or there is none in it.
pub fn tokens(file: &PathBuf) -> Result<Vec<String>, Fault> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Fault::Usage(format!("{name}: {error}")))?;
    let tokens: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect();
    // What is no token would end the field, and begin another.
    if let Some(line) = text.lines().position(|line| line.trim().bytes().any(|byte| !byte.is_ascii_graphic())) {
        return Err(Fault::Usage(format!("{name}: line {} is no bearer token", line + 1)));
    }
    if tokens.is_empty() { Err(Fault::Usage(format!("{name}: there is no token in it"))) } else { Ok(tokens) }
}

/// A number of requests a second.
///
/// # Errors
/// It is none that can be sent.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("requests a second are more than 0, and a million at most".to_owned()),
    }
}

/// A span of time: `500ms`, `30s`, `5m`.
///
/// # Errors
/// It is none, or nothing.
pub fn span(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse::<u32>().ok().filter(|number| *number > 0);
    match (number, &text[end..]) {
        (Some(number), "ms") => Ok(Duration::from_millis(number.into())),
        (Some(number), "s") => Ok(Duration::from_secs(number.into())),
        (Some(number), "m") => Ok(Duration::from_secs(u64::from(number) * 60)),
        _ => Err("a span is a number more than 0 and ms, s or m: 30s".to_owned()),
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a field is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadOptions,
    }

    fn read(words: &[&str]) -> Result<LoadOptions, String> {
        let line = Line::try_parse_from([&["load"], words].concat());
        line.map(|line| line.load).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let check = |words: &[&str], expected: &str| {
            let said = read(words).map(|_| ()).expect_err("wrong usage");
            assert!(said.contains(expected), "{words:?}: {said}");
        };
        let url = "http://127.0.0.1:1/";
        check(&[], "required arguments");
        check(&[url, "--demo"], "cannot be used with");
        check(&[url, "--outage"], "cannot be used with");
        check(&[url, "--rate", "0"], "more than 0");
        check(&[url, "--rate", "NaN"], "more than 0");
        check(&[url, "--rate", "x"], "more than 0");
        check(&[url, "--for", "0s"], "a span is a number");
        check(&[url, "--for", "30"], "a span is a number");
        check(&[url, "--for", "s"], "a span is a number");
        check(&[url, "--mix", "cats=1"], "there are no `cats`");
        check(&[url, "--connections", "0"], "0 is not in 1..=100000");
        check(&[url, "--sign-in-also", "password"], "a field is NAME=VALUE");
    }

    #[test]
    fn who_takes_part_has_a_credential() {
        let check = |words: &[&str], credentials: &Credentials, expected: Result<&str, &str>| {
            let options = read(&[&["http://127.0.0.1:1/"], words].concat()).expect("options");
            let mix = options.mix(credentials).map(|mix| mix.to_string()).map_err(|fault| fault.to_string());
            assert_eq!(mix.as_deref().map_err(|fault| &**fault), expected, "{words:?}");
        };
        let none = Credentials::default();
        let some = Credentials { programs: vec!["x".to_owned()], bad: vec!["y".to_owned()], ..Credentials::default() };
        check(&[], &none, Ok("anonymous=1"));
        check(&[], &some, Ok("programs=70,bad-tokens=5"));
        check(&["--mix", "programs=1,anonymous=1"], &some, Ok("programs=1,anonymous=1"));
        check(
            &["--mix", "displays=1"],
            &some,
            Err("displays are in the mix, but there are no tokens without --display-token-file"),
        );
        check(
            &["--mix", "browsers=1"],
            &some,
            Err("browsers are in the mix, but nobody can sign in without --sign-in-user"),
        );
    }

    #[test]
    fn a_path_stays_on_the_site() {
        let url = Url::parse("http://127.0.0.1:1/start").expect("an address");
        let check = |path: &str, kind: Kind, expected: Result<&str, ()>| {
            let options = read(&["http://127.0.0.1:1/", "--program-path", path]).expect("options");
            let address = options.address(kind, &url);
            assert_eq!(address.as_ref().map(Url::as_str).map_err(|_| ()), expected, "{path}");
        };
        check("/api/x?y=1", Kind::Programs, Ok("http://127.0.0.1:1/api/x?y=1"));
        check("/api/x", Kind::Displays, Ok("http://127.0.0.1:1/api/x"));
        check("/api/x", Kind::Browsers, Ok("http://127.0.0.1:1/start"));
        check("//192.0.2.1/x", Kind::Programs, Err(()));
        check("http://192.0.2.1/x", Kind::Programs, Err(()));
        check("api", Kind::BadTokens, Err(()));
    }

    #[test]
    fn tokens_are_read_from_a_file() {
        let file = std::env::temp_dir().join(format!("candor-bench-tokens-{}", std::process::id()));
        let check = |text: &str, expected: Result<&[&str], &str>| {
            fs::write(&file, text).expect("a file");
            let read =
                tokens(&file).map_err(|fault| fault.to_string().rsplit(": ").next().unwrap_or_default().to_owned());
            let read = read.as_ref().map(|read| read.iter().map(|token| &**token).collect::<Vec<_>>());
            assert_eq!(read.as_deref().map_err(|fault| &***fault), expected, "{text}");
        };
        check("a\n\n b \r\n", Ok(&["a", "b"]));
        check("\n \n", Err("there is no token in it"));
        check("a\nb c\n", Err("line 2 is no bearer token"));
        fs::remove_file(&file).expect("it is removed");
        assert!(tokens(&file).is_err_and(|fault| fault.to_string().contains("No such file")));
    }
}
