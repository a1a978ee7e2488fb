//! The file of `tls.ticket_secret`: one secret a line, the first for new tickets.
//!
//! Called by `tickets`. No secret may get into a problem.

use super::MOST;
use crate::{
    config::{FileAt, Problem},
    files::Files,
    named_file,
};

/// A shorter secret could be found by trying.
const SHORTEST: usize = 32;

/// More than so many secrets need.
const LONGEST: u64 = 64 * 1024;

/// How to make one, for problems.
const MEND: &str = "make one with `openssl rand -base64 48`";

/// The secrets of a file.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn read(file: &FileAt, files: &Files) -> Result<Vec<Vec<u8>>, Vec<Problem>> {
    let bytes = named_file::read(files, file, LONGEST).map_err(|problem| vec![problem])?;
    parse(&bytes).map_err(|texts| {
        let path = file.path.display();
        let problem = |text| Problem { place: file.place.clone(), text: format!("{path}{text}") };
        texts.into_iter().map(problem).collect()
    })
}

/// The secrets, or what is wrong, to be said behind the file's name.
fn parse(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Vec<String>> {
    let Ok(text) = str::from_utf8(bytes) else {
        return Err(vec![format!(": found no text, expected one secret a line; {MEND}")]);
    };
    let (mut secrets, mut wrong) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        match line.len() {
            _ if line.is_empty() || line.starts_with('#') => {}
            length if length < SHORTEST => wrong.push(format!(
                ":{number}: found a secret of {length} characters, expected at least {SHORTEST}; \
                 {MEND}"
            )),
            _ => secrets.push(line.as_bytes().to_vec()),
        }
    }
    if wrong.is_empty() && secrets.is_empty() {
        wrong.push(format!(": found no secret, expected one a line; {MEND}"));
    }
    if secrets.len() > MOST {
        let count = secrets.len();
        wrong.push(format!(": found {count} secrets, expected at most {MOST}; take out old ones"));
    }
    if wrong.is_empty() { Ok(secrets) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn one_secret_a_line() {
        let (one, two) = ("a".repeat(32), "b".repeat(64));
        let text = format!("# new\n{one}\r\n\n  {two}  \n#{one}\n");
        assert_eq!(parse(text.as_bytes()).unwrap(), [one.into_bytes(), two.into_bytes()]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_without_the_secret() {
        let wrong = |bytes: &[u8]| parse(bytes).unwrap_err().join("\n");
        assert!(wrong(b"").starts_with(": found no secret, expected one a line; make one with"));
        assert!(wrong(b"# only\n").starts_with(": found no secret"));
        assert!(wrong(b"\xff\xfe").starts_with(": found no text"));
        let short = format!("\nshort\n{}\nSECRET\n", "a".repeat(32));
        let said = wrong(short.as_bytes());
        assert!(said.contains(":2: found a secret of 5 characters"), "{said}");
        assert!(said.contains(":4: found a secret of 6 characters"), "{said}");
        assert!(!said.contains("short") && !said.contains("SECRET"), "{said}");
        let many: Vec<_> = (0..17).map(|n| format!("{n:032}")).collect();
        assert!(
            wrong(many.join("\n").as_bytes()).contains("found 17 secrets, expected at most 16")
        );
    }
}
