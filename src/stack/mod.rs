//! Which software a hello looks like, and what its owner has to do.
//!
//! `guess` is pure: a hello in, one of a closed set out. The census writes its word, so that
//! `report` needs no hello. A guess is evidence, never proof, and must never decide what happens
//! to a connection; all that is said of it begins with "looks like".

mod remedy;
mod rules;
mod shape;

#[cfg(test)]
mod tests;

pub use remedy::{Layer, Remedy};

use crate::{
    hello::Hello,
    label::{Label, labels},
};

labels! {
    /// What a hello looks like. The words are a contract: census rows carry them.
    pub enum Stack {
        /// No rule knows it.
        Unknown = "unknown",
        /// A scanner or a monitoring probe.
        Scanner = "scanner",
        /// SSL 3.0 and nothing above.
        Ssl3 = "ssl-3",
        /// Comes back with less than it has, because it was refused before.
        Fallback = "fallback",
        /// OpenSSL 0.9.8
        Openssl098 = "openssl-0.9.8",
        /// OpenSSL 1.0.0
        Openssl100 = "openssl-1.0.0",
        /// OpenSSL 1.0.1 or 1.0.2
        Openssl101 = "openssl-1.0.1",
        /// A scripting language on an old OpenSSL that sends no host name.
        Python2 = "python-2",
        /// Java 6
        Java6 = "java-6",
        /// Java 7
        Java7 = "java-7",
        /// Java 8
        Java8 = "java-8",
        /// .NET Framework on a current Windows
        DotnetFramework = "dotnet-framework",
        /// SChannel of Windows XP and Server 2003
        WindowsXp = "windows-xp",
        /// SChannel of Windows Vista and Server 2008
        WindowsVista = "windows-vista",
        /// SChannel of Windows 7 and Server 2008 R2
        Windows7 = "windows-7",
        /// SChannel of Windows 8.1 and Server 2012 R2
        Windows81 = "windows-8.1",
        /// SChannel of Windows 10 and Server 2016
        Windows10 = "windows-10",
        /// Android up to 2.3
        Android2 = "android-2",
        /// Android 4.0 to 4.4
        Android4 = "android-4",
        /// NSS up to 3.15
        Nss = "nss-3.15",
        /// Secure Transport of OS X up to 10.8
        Macos108 = "macos-10.8",
        /// Secure Transport of OS X 10.9 and 10.10
        Macos109 = "macos-10.9",
        /// GnuTLS 2
        Gnutls2 = "gnutls-2",
        /// A library that can do more than its application lets it.
        Pinned = "pinned",
        /// A network device that encrypts anew for many clients.
        Middlebox = "middlebox",
        /// A library whose highest version is TLS 1.2.
        Tls12 = "tls-1.2",
        /// A library with TLS 1.3.
        Current = "current",
    }
}

impl Stack {
    /// What the sender of `hello` looks like.
    #[must_use]
    pub fn guess(hello: &Hello) -> Self {
        rules::RULES
            .iter()
            .find(|rule| (rule.holds)(hello))
            .map_or(Self::Unknown, |rule| rule.stack)
    }

    /// By its word; `Unknown` for a word of another release.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::named(word).unwrap_or(Self::Unknown)
    }

    /// In words: "looks like Java 7 with its defaults".
    #[must_use]
    pub fn phrase(self) -> &'static str {
        &self.remedy().phrase
    }

    /// On what the guess rests.
    #[must_use]
    pub fn evidence(self) -> Option<&'static str> {
        rules::RULES.iter().find(|rule| rule.stack == self).map(|rule| rule.evidence)
    }

    /// What its owner has to do.
    #[must_use]
    pub fn remedy(self) -> &'static Remedy {
        remedy::of(self)
    }

    /// The guess where a log of the legacy terminator names the user agents behind one old hello.
    ///
    /// One library has one user agent, or a few of one program; several programs behind one hello
    /// share a device that encrypts for them.
    #[must_use]
    pub fn behind(self, programs: usize) -> Self {
        const SEVERAL: usize = 3;
        if programs >= SEVERAL { Self::Middlebox } else { self }
    }
}
