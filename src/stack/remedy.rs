//! What the owner of a recognised client has to do, in the layers that an owner checks.
//!
//! All words are in `remedies.toml`; add a stack there and nowhere else. Used by `report`, and by
//! whatever else tells a customer what to do.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::Stack;
use crate::label::labels;

labels! {
    /// Where an owner has to look, from the program outwards.
    pub enum Layer {
        /// The operating system's TLS library.
        Library = "library",
        /// The application server, runtime or program.
        Runtime = "runtime",
        /// A forward proxy or egress gateway.
        Proxy = "proxy",
        /// A firewall or another middlebox.
        Firewall = "firewall",
    }
}

impl Layer {
    /// In words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Library => "operating system's TLS library",
            Self::Runtime => "application server or runtime",
            Self::Proxy => "network proxy",
            Self::Firewall => "firewall or intercepting middlebox",
        }
    }
}

/// What is known of a stack, and what its owner has to do.
#[derive(Clone, Debug, Serialize)]
pub struct Remedy {
    /// "looks like Java 7 with its defaults"
    pub phrase: String,
    /// What is known of it.
    pub what: String,
    /// The mend in one line.
    pub fix: String,
    library: String,
    runtime: String,
    proxy: String,
    firewall: String,
    /// Where it is written down.
    pub links: Vec<String>,
}

impl Remedy {
    /// What to do in one layer.
    #[must_use]
    pub fn layer(&self, layer: Layer) -> &str {
        match layer {
            Layer::Library => &self.library,
            Layer::Runtime => &self.runtime,
            Layer::Proxy => &self.proxy,
            Layer::Firewall => &self.firewall,
        }
    }
}

/// The file as written.
#[derive(Deserialize)]
struct Written {
    any: Outside,
    #[serde(flatten)]
    stacks: BTreeMap<String, Entry>,
}

/// The layers that are the same for most stacks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    proxy: String,
    firewall: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    phrase: String,
    what: String,
    fix: String,
    library: String,
    runtime: String,
    proxy: Option<String>,
    firewall: Option<String>,
    links: Vec<String>,
}

impl Entry {
    fn meant(self, any: &Outside) -> Remedy {
        Remedy {
            phrase: format!("looks like {}", self.phrase),
            what: self.what,
            fix: self.fix,
            library: self.library,
            runtime: self.runtime,
            proxy: self.proxy.unwrap_or_else(|| any.proxy.clone()),
            firewall: self.firewall.unwrap_or_else(|| any.firewall.clone()),
            links: self.links,
        }
    }
}

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads it")]
static REMEDIES: LazyLock<BTreeMap<String, Remedy>> = LazyLock::new(|| {
    let Written { any, stacks } =
        toml::from_str(include_str!("remedies.toml")).expect("remedies.toml");
    stacks.into_iter().map(|(word, entry)| (word, entry.meant(&any))).collect()
});

#[expect(clippy::expect_used, reason = "a test holds that every stack has an entry")]
pub(super) fn of(stack: Stack) -> &'static Remedy {
    REMEDIES.get(stack.as_str()).expect("an entry for each stack")
}

#[cfg(test)]
mod tests {
    use super::{Layer, REMEDIES};
    use crate::{label::Label, stack::Stack};

    #[test]
    fn every_stack_has_an_entry_with_all_four_layers() {
        for stack in Stack::ALL {
            let remedy = REMEDIES.get(stack.as_str()).unwrap_or_else(|| panic!("{stack}"));
            assert_eq!(stack.phrase(), remedy.phrase);
            assert!(remedy.phrase.starts_with("looks like "), "{stack}");
            for layer in Layer::ALL {
                let text = remedy.layer(*layer);
                assert!(text.len() > 10 && text.ends_with('.'), "{stack}, {}", layer.title());
            }
            assert!(remedy.what.ends_with('.') && !remedy.fix.is_empty(), "{stack}");
            // It has to fit a line of the report beside nothing else.
            assert!(remedy.fix.len() <= 96 && !remedy.fix.contains('\n'), "{stack}");
            assert!(!remedy.links.is_empty(), "{stack}");
            assert!(remedy.links.iter().all(|link| link.starts_with("https://")), "{stack}");
        }
    }

    #[test]
    fn every_entry_is_for_a_stack() {
        for word in REMEDIES.keys() {
            assert!(Stack::named(word).is_some(), "{word}");
        }
    }
}
