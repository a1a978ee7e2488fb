//! A hello for each family of clients, made by us from published facts about what they send.
//!
//! Included by unit tests and by integration tests alike, so it imports nothing of the crate. The
//! lists of suites and extensions are public knowledge; that they are right shows in their JA4,
//! which for most families is known from measurements of the real client.

/// What a family of clients sends, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Family {
    /// Which clients.
    pub(crate) name: &'static str,
    /// Their hello, record headers included.
    pub(crate) bytes: Vec<u8>,
    /// The highest version that it offers.
    pub(crate) offered: &'static str,
    /// The verdict with an RSA certificate: `pass` or a reason.
    pub(crate) rsa: &'static str,
    /// The verdict with an ECDSA P-256 certificate.
    pub(crate) ecdsa: &'static str,
    /// The measured fingerprint of the real client.
    pub(crate) ja4: Option<&'static str>,
}

/// A ClientHello to be made.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    record: u16,
    version: u16,
    suites: Vec<u16>,
    compressions: Vec<u8>,
    extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Hello {
    /// As clients of `version` begin it, in a record of `record`.
    pub(crate) fn new(record: u16, version: u16, suites: &str) -> Self {
        let (suites, compressions) = (numbers(suites), vec![0]);
        Self {
            record,
            version,
            suites,
            compressions,
            extensions: Some(Vec::new()),
        }
    }

    /// Without even an empty list of extensions.
    pub(crate) fn bare(mut self) -> Self {
        self.extensions = None;
        self
    }

    /// Other compression methods than none.
    pub(crate) fn compressions(mut self, methods: &[u8]) -> Self {
        self.compressions = methods.to_vec();
        self
    }

    /// One more extension.
    pub(crate) fn with(mut self, number: u16, content: Vec<u8>) -> Self {
        self.extensions
            .get_or_insert_default()
            .push((number, content));
        self
    }

    /// Extensions whose content nobody here reads.
    pub(crate) fn empty(self, list: &str) -> Self {
        numbers(list)
            .into_iter()
            .fold(self, |hello, number| hello.with(number, Vec::new()))
    }

    /// `server_name`
    pub(crate) fn sni(self, name: &str) -> Self {
        let entry = [vec![0], long(name.as_bytes().to_vec())].concat();
        self.with(0, long(entry))
    }

    /// `supported_groups`
    pub(crate) fn groups(self, list: &str) -> Self {
        self.with(10, long(bytes(list)))
    }

    /// `ec_point_formats`: uncompressed.
    pub(crate) fn points(self) -> Self {
        self.with(11, vec![1, 0])
    }

    /// `signature_algorithms`
    pub(crate) fn signatures(self, list: &str) -> Self {
        self.with(13, long(bytes(list)))
    }

    /// `application_layer_protocol_negotiation`
    pub(crate) fn alpn(self, protocols: &[&str]) -> Self {
        let list = protocols
            .iter()
            .flat_map(|protocol| short(protocol.as_bytes().to_vec()));
        self.with(16, long(list.collect()))
    }

    /// `supported_versions`
    pub(crate) fn versions(self, list: &str) -> Self {
        self.with(43, short(bytes(list)))
    }

    /// `key_share`, with shares of the right length and no meaning.
    pub(crate) fn shares(self, groups: &str) -> Self {
        let share = |group: u16| {
            let length = match group {
                0x11ec => 1216,
                0x0017 => 65,
                0x001d => 32,
                _ => 1,
            };
            [group.to_be_bytes().to_vec(), long(vec![7; length])].concat()
        };
        self.with(
            51,
            long(numbers(groups).into_iter().flat_map(share).collect()),
        )
    }

    /// The handshake message without a record.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([9; 32]);
        body.push(0);
        body.extend(long(
            self.suites
                .iter()
                .flat_map(|suite| suite.to_be_bytes())
                .collect(),
        ));
        body.extend(short(self.compressions.clone()));
        if let Some(extensions) = &self.extensions {
            let one = |(number, content): &(u16, Vec<u8>)| {
                [number.to_be_bytes().to_vec(), long(content.clone())].concat()
            };
            body.extend(long(extensions.iter().flat_map(one).collect()));
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [vec![1, length[1], length[2], length[3]], body].concat()
    }

    /// The message in records of at most `size` bytes.
    pub(crate) fn records(&self, size: usize) -> Vec<u8> {
        let message = self.message();
        let record = |part: &[u8]| {
            [
                vec![0x16],
                self.record.to_be_bytes().to_vec(),
                long(part.to_vec()),
            ]
            .concat()
        };
        message.chunks(size).flat_map(record).collect()
    }

    /// The message in one record.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.records(1 << 14)
    }
}

/// A hello in the SSL 2 format that offers `version`.
pub(crate) fn sslv2(version: u16, suites: &str) -> Vec<u8> {
    let specs: Vec<u8> = numbers(suites)
        .iter()
        .flat_map(|suite| {
            let [high, low] = suite.to_be_bytes();
            [0, high, low]
        })
        .collect();
    let mut body = vec![1];
    body.extend(version.to_be_bytes());
    body.extend(u16::try_from(specs.len()).unwrap().to_be_bytes());
    body.extend([0, 0, 0, 16]);
    body.extend(specs);
    body.extend([3; 16]);
    let length = u16::try_from(body.len()).unwrap() | 0x8000;
    [length.to_be_bytes().to_vec(), body].concat()
}

/// The hello of a TLS 1.0 client that names the host it wants.
pub(crate) fn tls10_with_sni(name: &str) -> Vec<u8> {
    Hello::new(0x0301, 0x0301, "002f 0035 000a")
        .sni(name)
        .bytes()
}

/// What a current OpenSSL sends; passes with any certificate.
pub(crate) fn modern() -> Hello {
    Hello::new(0x0301, 0x0303, OPENSSL_3)
        .sni("localhost")
        .points()
        .groups("001d 0017 001e 0019 0018")
        .empty("0023 0016 0017")
        .signatures(OPENSSL_3_SIGNATURES)
        .versions("0304 0303")
        .empty("002d")
        .shares("001d")
}

const OPENSSL_3: &str = "1302 1303 1301 c02c c030 009f cca9 cca8 ccaa c02b c02f 009e c024 c028 \
    006b c023 c027 0067 c00a c014 0039 c009 c013 0033 009d 009c 003d 003c 0035 002f 00ff";
const OPENSSL_3_SIGNATURES: &str = "0403 0503 0603 0807 0808 0809 080a 080b 0804 0805 0806 0401 \
    0501 0601 0303 0301 0302 0402 0502 0602";
const OPENSSL_0: &str = "0039 0038 0035 0016 0013 000a 0033 0032 002f 0007 0005 0004 0015 0012 \
    0009 0014 0011 0008 0006 0003 00ff";
const JAVA_7: &str = "c009 c013 002f c004 c00e 0033 0032 c007 c011 0005 c002 c00c c008 c012 000a \
    c003 c00d 0016 0013 0004 00ff";
const JAVA_8: &str = "c023 c027 003c c025 c029 0067 0040 c009 c013 002f c004 c00e 0033 0032 c02b \
    c02f 009c c02d c031 009e 00a2 c008 c012 000a c003 c00d 0016 0013 c007 c011 0005 c002 c00c \
    0004 00ff";
const JAVA_8_SIGNATURES: &str = "0603 0601 0503 0501 0403 0401 0303 0301 0203 0201 0202 0101";
const SCHANNEL_7: &str = "c014 c013 0035 002f c00a c009 0038 0032 000a 0013 0005 0004";
const SCHANNEL_8: &str = "c028 c027 c014 c013 009f 009e 009d 009c 003d 003c 0035 002f c02c c02b \
    c024 c023 c00a c009 006a 0040 0038 0032 000a 0013 0005 0004";
const SAFARI_6: &str = "00ff c00a c009 c007 c008 c014 c013 c011 c012 c004 c005 c002 c003 c00e \
    c00f c00c c00d 002f 0005 0004 0035 000a 0033 0039 0016";
const SAFARI_8: &str = "00ff c024 c023 c00a c009 c008 c028 c027 c014 c013 c012 c026 c025 c005 \
    c004 c003 c02a c029 c00f c00e c00d 006b 0067 0039 0033 0016 003d 003c 0035 002f 000a c007 \
    c011 c002 c00c 0005 0004";
const CHROME: &str = "8a8a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f \
    0035";
const CHROME_SIGNATURES: &str = "0403 0804 0401 0503 0805 0501 0806 0601";

/// Every family.
pub(crate) fn families() -> Vec<Family> {
    let mut families = below();
    families.extend(above());
    families
}

fn family(
    name: &'static str,
    bytes: Vec<u8>,
    (offered, rsa, ecdsa): (&'static str, &'static str, &'static str),
    ja4: &'static str,
) -> Family {
    Family {
        name,
        bytes,
        offered,
        rsa,
        ecdsa,
        ja4: (!ja4.is_empty()).then_some(ja4),
    }
}

/// Families that offer nothing from TLS 1.2 up.
fn below() -> Vec<Family> {
    let old = |offered| (offered, "version", "version");
    let name = "api.example.com";
    let tls10 = |suites| Hello::new(0x0301, 0x0301, suites);
    vec![
        family(
            "OpenSSL 0.9.8",
            tls10(OPENSSL_0).sni(name).empty("0023").bytes(),
            old("1.0"),
            "t10d210200_e91ed181b052_e78b541c01a9",
        ),
        family(
            "OpenSSL 0.9.8, SSL 2 format",
            sslv2(0x0301, OPENSSL_0),
            old("1.0"),
            "",
        ),
        family(
            "OpenSSL 1.0.0, Python 2.7.3",
            tls10(
                "c014 c00a 0039 0038 0088 0087 c00f c005 0035 \
            0084 c012 c008 0016 0013 c00d c003 000a c013 c009 0033 0032 0045 0044 c00e c004 002f \
            0041 c011 c007 c00c c002 0005 0004 00ff",
            )
            .sni(name)
            .points()
            .groups("0017 0018 0019")
            .empty("0023")
            .bytes(),
            old("1.0"),
            "",
        ),
        family(
            "Java 6, SSL 2 format",
            sslv2(
                0x0301,
                "0004 0005 002f 0035 c002 c004 c005 c00c \
            c00e c00f c007 c009 c00a c011 c013 c014 0033 0039 0032 0038",
            ),
            old("1.0"),
            "sslv2:0301:20",
        ),
        family(
            "Java 7",
            tls10(JAVA_7)
                .groups("0017 0018 0019")
                .points()
                .sni(name)
                .bytes(),
            old("1.0"),
            "t10d210300_b3c2d19a1f57_33a13ba74d1c",
        ),
        family(
            "Windows 7 SChannel, .NET 4.0, IE 8-10",
            tls10(SCHANNEL_7)
                .empty("ff01")
                .sni(name)
                .empty("0005")
                .groups("0017 0018")
                .points()
                .bytes(),
            old("1.0"),
            "t10d120500_d94e65cdb899_c35b4a14be45",
        ),
        family(
            "Windows XP, IE 8",
            tls10("0004 0005 000a 0009 0064 0062 0003 0006 0013 0012 0063")
                .with(0xff01, vec![0])
                .bytes(),
            old("1.0"),
            "t10i110100_3609b414f052_bc98f8e001b5",
        ),
        family(
            "Windows XP, IE 6, SSL 2 format",
            sslv2(
                0x0300,
                "0004 0005 000a 0009 0064 0062 \
            0003 0006 0013 0012 0063",
            ),
            old("ssl3"),
            "",
        ),
        family(
            "Android 2.3",
            tls10(
                "0004 0005 002f 0033 0032 000a 0016 0013 0009 0015 0012 0003 \
            0008 0014 0011 00ff",
            )
            .bare()
            .bytes(),
            old("1.0"),
            "",
        ),
        family(
            "Android 4.1",
            tls10(
                "c014 c00a c022 c021 0039 0038 c00f c005 0035 c012 c008 c01c \
            c01b 0016 0013 c00d c003 000a c013 c009 c01f c01e 0033 0032 c00e c004 002f c011 c007 \
            c00c c002 0005 0004 00ff",
            )
            .sni(name)
            .points()
            .groups("000e 000d 0019")
            .empty(
                "0023 \
            3374",
            )
            .bytes(),
            old("1.0"),
            "",
        ),
        family(
            "Safari 6, OS X 10.8",
            tls10(SAFARI_6)
                .sni(name)
                .groups("0017 0018 0019")
                .points()
                .bytes(),
            old("1.0"),
            "t10d250300_6c4a56578f33_33a13ba74d1c",
        ),
        family(
            "curl with NSS, CentOS 6",
            tls10(
                "00ff c00a c014 0088 0087 0039 0038 c00f c005 \
            0084 0035 c007 c009 c011 c013 0045 0044 0033 0032 c00c c00e c002 c004 0041 0005 0004 \
            002f",
            )
            .sni(name)
            .groups("0017 0018 0019")
            .points()
            .empty("0023")
            .bytes(),
            old("1.0"),
            "",
        ),
        family(
            "a modern library pinned to TLS 1.0",
            tls10(
                "c00a c014 0039 c009 c013 0033 0035 \
            002f 00ff",
            )
            .sni(name)
            .points()
            .groups("001d 0017")
            .empty("0023 0016 0017")
            .alpn(&["http/1.1"])
            .bytes(),
            old("1.0"),
            "",
        ),
        family(
            "TLS 1.1 and no more",
            Hello::new(0x0301, 0x0302, "c014 c00a 0039 0035 002f 00ff")
                .sni(name)
                .points()
                .groups("0017 0018")
                .bytes(),
            old("1.1"),
            "",
        ),
        family(
            "SSL 3",
            Hello::new(0x0300, 0x0300, "0035 002f 0005 0004 000a")
                .bare()
                .bytes(),
            old("ssl3"),
            "",
        ),
        family("SSL 2", sslv2(0x0002, "0004 0005"), old("sslv2"), ""),
    ]
}

/// Families that offer TLS 1.2 or 1.3.
fn above() -> Vec<Family> {
    let name = "api.example.com";
    let tls12 = |suites| Hello::new(0x0301, 0x0303, suites);
    vec![
        family(
            "OpenSSL 1.0.1",
            tls12(
                "c030 c02c c028 c024 c014 c00a 009f 006b 0039 009d 003d 0035 \
            c02f c02b c027 c023 c013 c009 009e 0067 0033 009c 003c 002f 00ff",
            )
            .sni(name)
            .points()
            .groups("0017 0018")
            .empty("0023")
            .signatures(
                "0601 0603 0501 0503 0401 0403 0201 \
            0203",
            )
            .empty("000f")
            .bytes(),
            ("1.2", "pass", "pass"),
            "",
        ),
        family(
            "OpenSSL 3.0",
            modern().bytes(),
            ("1.3", "pass", "pass"),
            "t13d311000_e8f1e7e78f70_1f22a2ca17c4",
        ),
        family(
            "OpenSSL 3.5, post-quantum",
            tls12(
                "1302 1303 1301 c02c c030 cca9 cca8 c02b c02f \
            00ff",
            )
            .sni(name)
            .points()
            .groups("11ec 001d 0017")
            .empty("0023 0016 0017")
            .signatures(OPENSSL_3_SIGNATURES)
            .versions("0304 0303")
            .empty("002d")
            .shares("11ec 001d")
            .bytes(),
            ("1.3", "pass", "pass"),
            "",
        ),
        family(
            "Java 8",
            Hello::new(0x0303, 0x0303, JAVA_8)
                .groups("0017 0018")
                .points()
                .signatures(JAVA_8_SIGNATURES)
                .sni(name)
                .bytes(),
            ("1.2", "pass", "pass"),
            "t12d350400_6f2c0565fe7a_0870ba469d0c",
        ),
        family(
            "Windows 8.1 SChannel, IE 11",
            Hello::new(0x0303, 0x0303, SCHANNEL_8)
                .sni(name)
                .empty("0005")
                .groups("0017 0018")
                .points()
                .signatures(
                    "0401 0501 0601 0201 0403 0503 \
            0603 0203 0202",
                )
                .empty("0023")
                .alpn(&["spdy/3"])
                .empty("0017 3374 ff01")
                .bytes(),
            ("1.2", "cipher", "pass"),
            "",
        ),
        family(
            "Safari 8, CBC only",
            tls12(SAFARI_8)
                .sni(name)
                .groups("0017 0018 0019")
                .points()
                .signatures("0401 0201 0403 0203")
                .empty("3374")
                .bytes(),
            ("1.2", "cipher", "cipher"),
            "",
        ),
        family(
            "Android 5",
            tls12(
                "c02b c02c c02f c030 009e 009f c009 c00a c013 c014 0033 0039 \
            009c 009d 002f 0035 00ff",
            )
            .sni(name)
            .empty("0017 0023")
            .signatures(
                "0601 0603 0501 \
            0503 0401 0403 0301 0303 0201 0203",
            )
            .points()
            .groups("0017 0018")
            .bytes(),
            ("1.2", "pass", "pass"),
            "",
        ),
        family(
            "Chrome 101",
            Hello::new(0x0301, 0x0303, CHROME)
                .empty("7a7a")
                .sni(name)
                .empty("0017 ff01")
                .groups("4a4a 001d 0017 0018")
                .points()
                .empty("0023")
                .alpn(&["h2", "http/1.1"])
                .empty("0005")
                .signatures(CHROME_SIGNATURES)
                .empty("0012")
                .shares("4a4a 001d")
                .empty("002d")
                .versions("6a6a 0304 0303")
                .empty(
                    "001b 4469 dada \
            0015",
                )
                .bytes(),
            ("1.3", "pass", "pass"),
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
        ),
        family(
            "Firefox 58, a draft of TLS 1.3",
            tls12(
                "1301 1303 1302 c02b c02f cca9 cca8 c02c \
            c030 c00a c009 c013 c014 0033 0039 002f 0035 000a",
            )
            .sni(name)
            .empty("0017 ff01")
            .groups("001d 0017 0018 0019 0100 0101")
            .points()
            .empty("0023")
            .alpn(&["h2", "http/1.1"])
            .empty("0005")
            .shares("001d 0017")
            .versions("7f17 0303 0302 0301")
            .signatures("0403 0503 0603 0804 0805 0806 0401 0501 0601 0203 0201")
            .empty("002d")
            .bytes(),
            ("1.2", "pass", "pass"),
            "",
        ),
        family(
            "TLS 1.2, groups nobody here has",
            tls12("c02b c02f")
                .sni(name)
                .points()
                .groups("000e 0019")
                .signatures("0403 0401")
                .bytes(),
            ("1.2", "group", "group"),
            "",
        ),
        family(
            "TLS 1.2 with RSA signatures only",
            tls12("c02b c02f")
                .sni(name)
                .points()
                .groups("0017")
                .signatures("0401 0501")
                .bytes(),
            ("1.2", "pass", "signature"),
            "",
        ),
        family(
            "TLS 1.2 without signature_algorithms",
            tls12("c02b c02f").sni(name).points().groups("0017").bytes(),
            ("1.2", "signature", "signature"),
            "",
        ),
        family(
            "TLS 1.2 that says it fell back",
            tls12("c02b c02f 5600")
                .sni(name)
                .points()
                .groups("0017")
                .signatures("0403 0401")
                .bytes(),
            ("1.2", "version", "version"),
            "",
        ),
        family(
            "TLS 1.3 without 1.2",
            tls12("1301 1302")
                .sni(name)
                .groups("001d")
                .signatures("0403 0804")
                .versions("0304")
                .empty("002d")
                .shares("001d")
                .bytes(),
            ("1.3", "pass", "pass"),
            "",
        ),
    ]
}

fn numbers(list: &str) -> Vec<u16> {
    list.split_whitespace()
        .map(|number| u16::from_str_radix(number, 16).unwrap())
        .collect()
}

fn bytes(list: &str) -> Vec<u8> {
    numbers(list)
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// With its length in one byte before it.
fn short(content: Vec<u8>) -> Vec<u8> {
    [vec![u8::try_from(content.len()).unwrap()], content].concat()
}

/// With its length in two bytes before it.
fn long(content: Vec<u8>) -> Vec<u8> {
    [
        u16::try_from(content.len()).unwrap().to_be_bytes().to_vec(),
        content,
    ]
    .concat()
}
