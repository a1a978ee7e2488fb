//! Texts that stand in place of ours in answers of the proxy's own, read from files.
//!
//! Built once a snapshot, asked by `http` for each such answer. A missing file, or one that does
//! not hold what its type says, is a problem of the configuration and never one of a request.

use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};

use crate::{
    config::{ErrorPage, Errors, Problem},
    files::Files,
    named_file,
};

/// The most that one may say.
const LONGEST: u64 = 64 << 10;

/// Texts by status.
#[derive(Debug, Default)]
pub struct ErrorPages(Vec<(StatusCode, Page)>);

/// A text.
#[derive(Clone, Debug)]
pub struct Page {
    /// It.
    pub text: Bytes,
    /// Its type.
    pub content_type: HeaderValue,
}

impl ErrorPages {
    /// Reads all of them.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn load(errors: &Errors, files: &Files) -> Result<Self, Vec<Problem>> {
        let (mut pages, mut problems) = (Vec::new(), Vec::new());
        for page in &errors.pages {
            match read(page, files) {
                Ok(read) => pages.push((page.status, read)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(pages)) } else { Err(problems) }
    }

    /// The text for a status. There are few, so they are looked through.
    #[must_use]
    pub fn find(&self, status: StatusCode) -> Option<&Page> {
        self.0.iter().find(|(own, _)| *own == status).map(|(_, page)| page)
    }
}

fn read(page: &ErrorPage, files: &Files) -> Result<Page, Problem> {
    let text = named_file::read(files, &page.file, LONGEST)?;
    let kind = page.content_type.to_str().unwrap_or_default().to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim_end();
    if essence.ends_with("/json") || essence.ends_with("+json") {
        serde_json::from_slice::<serde::de::IgnoredAny>(&text).map_err(|error| Problem {
            place: page.file.place.clone(),
            text: format!("{} is no JSON: {error}", page.file.path.display()),
        })?;
    }
    Ok(Page { text: text.into(), content_type: page.content_type.clone() })
}
