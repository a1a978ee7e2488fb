//! Closed sets of words: what metrics are counted by and logs speak in.
//!
//! A label's words never come from a client, so a client can never make a new series. Used by
//! every module that names such a set, and by `metrics`, which counts by `index`.

/// One of a closed set of words.
pub(crate) trait Label: Copy + 'static {
    /// Every member, in the order of `index`.
    const ALL: &'static [Self];

    /// Its place in `ALL`.
    fn index(self) -> usize;

    /// Its word.
    fn as_str(self) -> &'static str;

    /// The member that has this word.
    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|member| member.as_str() == word)
    }
}

/// Declares an enum and its words in one go; the words are a contract with dashboards and logs.
macro_rules! labels {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$member_meta:meta])* $member:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $($(#[$member_meta])* $member,)+
        }

        impl $name {
            /// Its word.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $word,)+
                }
            }
        }

        impl $crate::label::Label for $name {
            const ALL: &'static [Self] = &[$(Self::$member,)+];

            fn index(self) -> usize {
                // Members are few, and the compiler makes this the discriminant.
                Self::ALL.iter().position(|member| *member == self).unwrap_or(0)
            }

            fn as_str(self) -> &'static str {
                Self::as_str(self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use labels;

#[cfg(test)]
mod tests {
    use super::Label;
    use crate::session::{Cipher, HandshakeFailure};

    fn every_member_is_at_its_index<L: Label + PartialEq>() {
        for (index, member) in L::ALL.iter().enumerate() {
            assert_eq!(member.index(), index);
            assert!(L::named(member.as_str()) == Some(*member));
            assert!(L::ALL.iter().filter(|other| other.as_str() == member.as_str()).count() == 1);
        }
    }

    #[test]
    fn members_have_an_index_and_a_word_of_their_own() {
        every_member_is_at_its_index::<Cipher>();
        every_member_is_at_its_index::<HandshakeFailure>();
        assert_eq!(Cipher::Other.to_string(), "other");
    }
}
