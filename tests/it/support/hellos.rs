//! A hello for each family of clients, made by us from published facts about what they send.
//!
//! Included by unit tests and by integration tests alike, so it imports nothing of the crate. The
//! facts stand in `tests/data/hellos/families.txt`; that they are right shows in their JA4, which
//! for most families is known from measurements of the real client.

/// What a family of clients sends, and what is expected of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Which clients.
    pub(crate) name: String,
    /// Their hello, record headers included.
    pub(crate) bytes: Vec<u8>,
    /// The highest version that it offers.
    pub(crate) offered: String,
    /// The verdict with an RSA certificate: `pass` or a reason.
    pub(crate) rsa: String,
    /// The verdict with an ECDSA P-256 certificate.
    pub(crate) ecdsa: String,
    /// The measured fingerprint of the real client.
    pub(crate) ja4: Option<String>,
}

/// Every family.
pub(crate) fn families() -> Vec<Family> {
    let text = include_str!("../../data/hellos/families.txt");
    let blocks = text.split("\n\n").filter(|block| block.starts_with("name: "));
    blocks.map(family).collect()
}

fn family(block: &str) -> Family {
    let value = |key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        line.unwrap_or_default()
    };
    let words = |key| value(key).split(' ').map(str::to_owned).collect::<Vec<_>>();
    let [offered, rsa, ecdsa] = words("expect").try_into().unwrap();
    let hello = words("hello");
    let bytes = match hello[0].as_str() {
        "sslv2" => sslv2(number(&hello[1]), value("suites")),
        _ => {
            let bare = Hello::new(number(&hello[1]), number(&hello[2]), value("suites"));
            value("extensions").split(' ').fold(bare, Hello::extension).bytes()
        }
    };
    let ja4 = Some(value("ja4").to_owned()).filter(|ja4| !ja4.is_empty());
    Family { name: value("name").to_owned(), bytes, offered, rsa, ecdsa, ja4 }
}

/// A ClientHello to be made.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    record: u16,
    version: u16,
    suites: Vec<u16>,
    extensions: Option<Vec<u8>>,
}

impl Hello {
    /// As clients of `version` begin it, in a record of `record`; suites in hexadecimal.
    pub(crate) fn new(record: u16, version: u16, suites: &str) -> Self {
        let suites = suites.split_whitespace().map(number).collect();
        Self { record, version, suites, extensions: Some(Vec::new()) }
    }

    /// One more extension as the table writes it: `sni`, `groups=001d,0017`, or a number.
    pub(crate) fn extension(self, word: &str) -> Self {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let numbers = || -> Vec<u8> {
            let list = value.split(',').filter(|number| !number.is_empty());
            list.flat_map(|one| number(one).to_be_bytes()).collect()
        };
        match name {
            "none" => Self { extensions: None, ..self },
            "sni" => {
                let name = if value.is_empty() { "api.example.com" } else { value };
                self.with(0, long([vec![0], long(name.as_bytes().to_vec())].concat()))
            }
            "groups" => self.with(10, long(numbers())),
            "points" => self.with(11, vec![1, 0]),
            "signatures" => self.with(13, long(numbers())),
            "alpn" => {
                let protocols = value.split(',').flat_map(|one| short(one.as_bytes().to_vec()));
                self.with(16, long(protocols.collect()))
            }
            "versions" => self.with(43, short(numbers())),
            "shares" => self.with(51, long(value.split(',').flat_map(share).collect())),
            "" => self,
            other => self.with(number(other), usual(number(other))),
        }
    }

    /// Several of them.
    pub(crate) fn extensions(self, words: &str) -> Self {
        words.split(' ').fold(self, Self::extension)
    }

    /// An extension with this content.
    pub(crate) fn with(mut self, number: u16, content: Vec<u8>) -> Self {
        let extensions = self.extensions.get_or_insert_default();
        extensions.extend(number.to_be_bytes());
        extensions.extend(long(content));
        self
    }

    /// The handshake message without a record.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([9; 32]);
        body.push(0);
        body.extend(long(self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect()));
        body.extend([1, 0]);
        if let Some(extensions) = &self.extensions {
            body.extend(long(extensions.clone()));
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [vec![1, length[1], length[2], length[3]], body].concat()
    }

    /// The message in records of at most `size` bytes.
    pub(crate) fn records(&self, size: usize) -> Vec<u8> {
        let record = |part: &[u8]| {
            [vec![0x16], self.record.to_be_bytes().to_vec(), long(part.to_vec())].concat()
        };
        self.message().chunks(size).flat_map(record).collect()
    }

    /// The message in one record.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.records(1 << 14)
    }
}

/// A hello in the SSL 2 format that offers `version`.
pub(crate) fn sslv2(version: u16, suites: &str) -> Vec<u8> {
    let spec = |suite| {
        let [high, low] = number(suite).to_be_bytes();
        [0, high, low]
    };
    let specs: Vec<u8> = suites.split_whitespace().flat_map(spec).collect();
    let mut body = vec![1];
    body.extend(version.to_be_bytes());
    body.extend(u16::try_from(specs.len()).unwrap().to_be_bytes());
    body.extend([0, 0, 0, 16]);
    body.extend(specs);
    body.extend([3; 16]);
    let length = u16::try_from(body.len()).unwrap() | 0x8000;
    [length.to_be_bytes().to_vec(), body].concat()
}

/// What a current OpenSSL sends; passes with any certificate.
pub(crate) fn modern() -> Hello {
    Hello::new(0x0301, 0x0303, "1302 1303 1301 c02c c030 c02b c02f 00ff").extensions(
        "sni=localhost points groups=001d,0017 0023 0016 0017 signatures=0403,0503,0804,0401 \
         versions=0304,0303 002d shares=001d",
    )
}

/// The content that all clients give an extension.
fn usual(number: u16) -> Vec<u8> {
    match number {
        0x0005 => vec![1, 0, 0, 0, 0],
        0x000f => vec![1],
        0x001b => vec![2, 0, 2],
        0x002d => vec![1, 1],
        0xff01 => vec![0],
        _ => Vec::new(),
    }
}

/// A key share of the right length and no meaning.
fn share(group: &str) -> Vec<u8> {
    let length = match number(group) {
        0x11ec => 1216,
        0x0017 => 65,
        0x001d => 32,
        _ => 1,
    };
    [number(group).to_be_bytes().to_vec(), long(vec![7; length])].concat()
}

fn number(text: &str) -> u16 {
    u16::from_str_radix(text, 16).unwrap()
}

/// With its length in one byte before it.
fn short(content: Vec<u8>) -> Vec<u8> {
    [vec![u8::try_from(content.len()).unwrap()], content].concat()
}

/// With its length in two bytes before it.
fn long(content: Vec<u8>) -> Vec<u8> {
    [u16::try_from(content.len()).unwrap().to_be_bytes().to_vec(), content].concat()
}
