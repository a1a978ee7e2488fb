//! Who a client is: customers' names and contacts by network, client or account.
//!
//! From a CSV file of the operator (`network_or_client,name,contact`). A client's own line comes
//! before a network that has it, a narrower network before a wider one.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::network::{Network, NetworkError};

/// Whom to write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) name: String,
    pub(super) contact: String,
}

/// All customers that are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<String, Customer>,
    networks: HashMap<Network, Customer>,
    /// The lengths of prefixes that occur.
    bits: BTreeSet<u8>,
}

/// What is wrong with a file of names.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// It cannot be read, or is no CSV.
    #[error("{}: cannot be read as CSV", .file.display())]
    Csv {
        /// The file.
        file: PathBuf,
        /// Why, with the line.
        #[source]
        cause: csv::Error,
    },
    /// A line with less than a client and a name.
    #[error("{}:{line}: expected network_or_client,name,contact; write \"\" for what is not known", .file.display())]
    Fields {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// A network that is none.
    #[error("{}:{line}: {text}", .file.display())]
    Network {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What it says.
        text: String,
        /// Why it is none.
        #[source]
        cause: NetworkError,
    },
}

impl Names {
    /// Reads a file of names.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is wrong.
    pub(super) fn load(path: &Path) -> Result<Self, NamesError> {
        let wrong = |cause| NamesError::Csv { file: path.to_owned(), cause };
        let text = std::fs::read_to_string(path).map_err(|cause| wrong(cause.into()))?;
        // Excel begins UTF-8 with a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut names = Self::default();
        for record in reader.records() {
            let record = record.map_err(wrong)?;
            names.record(path, line(text, &record), &record)?;
        }
        Ok(names)
    }

    fn record(
        &mut self,
        path: &Path,
        line: u64,
        record: &csv::StringRecord,
    ) -> Result<(), NamesError> {
        let field = |at: usize| record.get(at).unwrap_or_default();
        let client = field(0);
        if client.starts_with('#') || (client, field(1)) == ("network_or_client", "name") {
            return Ok(());
        }
        if record.len() < 2 || record.len() > 3 || client.is_empty() {
            return Err(NamesError::Fields { file: path.to_owned(), line });
        }
        let customer = Customer { name: field(1).to_owned(), contact: field(2).to_owned() };
        match Network::parse(client) {
            Ok(network) => {
                self.bits.insert(network.bits());
                self.networks.insert(network, customer);
            }
            Err(NetworkError::Malformed) if !looks_like_network(client) => {
                self.exact.insert(client.to_owned(), customer);
            }
            Err(cause) => {
                let (file, text) = (path.to_owned(), client.to_owned());
                return Err(NamesError::Network { file, line, text, cause });
            }
        }
        Ok(())
    }

    /// The customer of a client, as rows name it: an address, a network, or another word.
    pub(super) fn find(&self, client: &str) -> Option<&Customer> {
        self.exact.get(client).or_else(|| {
            let block = Network::parse(client).ok()?;
            let wide = self.bits.iter().rev().filter(|bits| **bits <= block.bits());
            wide.copied()
                .find_map(|bits| self.networks.get(&Network::around(block.address(), bits)))
        })
    }
}

/// The line that a record begins in; its position is that of the blank lines before it.
fn line(text: &str, record: &csv::StringRecord) -> u64 {
    let start = record.position().and_then(|at| usize::try_from(at.byte()).ok());
    let (before, rest) = text.split_at_checked(start.unwrap_or(0)).unwrap_or((text, ""));
    let blank = rest.len() - rest.trim_start_matches(['\n', '\r']).len();
    let blank = rest.get(..blank).unwrap_or_default();
    let ends = before.matches('\n').count() + blank.matches('\n').count();
    u64::try_from(ends + 1).unwrap_or(u64::MAX)
}

/// Whether who wrote it meant addresses: then a mistake must not pass as an account's name.
fn looks_like_network(client: &str) -> bool {
    client.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn load(text: &str) -> Result<Names, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.csv");
        std::fs::write(&path, text).unwrap();
        Names::load(&path).map_err(|error| {
            let name = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
            format!("{error}").replace(&name, "")
        })
    }

    #[test]
    fn the_narrowest_network_names_a_client() {
        let names = load(
            "\u{feff}network_or_client,name,contact\n\
             # our largest\n\
             203.0.113.0/24,\"Acme, \"\"Inc.\"\"\",ops@acme.example\n\
             203.0.113.7, Müller & Söhne ,tls@mueller.example\n\
             2001:db8::/32,日本,\n\
             acct_42,Beta\n",
        )
        .unwrap();
        let name = |client: &str| names.find(client).map(|customer| customer.name.as_str());
        assert_eq!(name("203.0.113.8"), Some("Acme, \"Inc.\""));
        assert_eq!(name("203.0.113.7"), Some("Müller & Söhne"));
        assert_eq!(name("203.0.113.0/25"), Some("Acme, \"Inc.\""));
        assert_eq!(name("203.0.0.0/16"), None);
        assert_eq!(name("2001:db8:1::1"), Some("日本"));
        assert_eq!(name("acct_42"), Some("Beta"));
        assert_eq!(name("198.51.100.1"), None);
        assert_eq!(names.find("203.0.113.8").unwrap().contact, "ops@acme.example");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(
            load("# x\n\n203.0.113.0/24,a\n\n\n203.0.113.1/24,b\n").unwrap_err(),
            "names.csv:6: 203.0.113.1/24"
        );
        assert!(load("203.0.113.0/40,a\n").unwrap_err().contains("names.csv:1"));
        assert!(load("a\n").unwrap_err().contains("names.csv:1: expected network_or_client"));
        assert!(load("a,b,c,d\n").unwrap_err().contains("expected"));
        assert!(Names::load(std::path::Path::new("/nowhere/n.csv")).is_err());
    }
}
