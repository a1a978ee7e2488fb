//! `[listen]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::Spanned;

use super::value::{self, wrong};
use crate::{
    config::{Listen, document::Document, raw, raw::Text},
    network::{Network, NetworkError},
};

const EXPECTED: &str = "an address such as \"0.0.0.0:8443\" or \"[::]:8443\"";

pub(super) fn listen(raw: Option<Spanned<raw::Listen>>, document: &mut Document<'_>) -> Listen {
    let (raw, span) = value::section(raw);
    let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
    let mut taken = Vec::new();
    let https = addresses(raw.https, "listen.https", any(8443), &mut taken, document);
    let http = addresses(raw.http, "listen.http", any(8080), &mut taken, document);
    let token = value::file(document, raw.admin_token.as_ref(), "listen.admin_token");
    let admin = raw.admin.and_then(|text| {
        let address = address(&text, "listen.admin", &mut taken, document)?;
        if !address.ip().is_loopback() && raw.admin_token.is_none() {
            let expected = "a loopback address, or listen.admin_token beside it: whoever reaches \
                            this port could change what is served";
            wrong(document, &text, "listen.admin", expected);
        }
        Some(address)
    });
    let proxy_protocol_from =
        networks(raw.proxy_protocol_from, "listen.proxy_protocol_from", document);
    let trusted_proxies = networks(raw.trusted_proxies, "listen.trusted_proxies", document);
    let workers = value::number(document, raw.workers.as_ref(), "listen.workers", 0, 0..=1024);
    if https.is_empty() {
        value::missing(document, span, "listen.https", "at least one address");
    }
    Listen {
        https,
        http,
        admin: admin.unwrap_or(local),
        admin_token: token,
        proxy_protocol_from,
        trusted_proxies,
        half_close: value::switch(raw.half_close.as_ref(), false),
        workers,
    }
}

fn addresses(
    list: Option<Vec<Text>>,
    key: &str,
    default: SocketAddr,
    taken: &mut Vec<SocketAddr>,
    document: &mut Document<'_>,
) -> Vec<SocketAddr> {
    let Some(list) = list else {
        taken.push(default);
        return vec![default];
    };
    let mut addresses = Vec::new();
    for (index, text) in list.iter().enumerate() {
        addresses.extend(address(text, &format!("{key}[{index}]"), taken, document));
    }
    addresses
}

fn address(
    text: &Text,
    key: &str,
    taken: &mut Vec<SocketAddr>,
    document: &mut Document<'_>,
) -> Option<SocketAddr> {
    let Ok(address) = text.get_ref().parse::<SocketAddr>() else {
        wrong(document, text, key, EXPECTED);
        return None;
    };
    // Port 0 is any that is free, so two of them are two.
    if address.port() != 0 && taken.contains(&address) {
        wrong(document, text, key, "an address that is not listed above");
        return None;
    }
    taken.push(address);
    Some(address)
}

fn networks(list: Option<Vec<Text>>, key: &str, document: &mut Document<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for (index, text) in list.unwrap_or_default().iter().enumerate() {
        let key = format!("{key}[{index}]");
        match Network::parse(text.get_ref()) {
            Ok(network) => networks.push(network),
            Err(NetworkError::HostBits(meant)) => {
                wrong(document, text, &key, &format!("\"{meant}\", or one address"));
            }
            Err(NetworkError::Malformed) => {
                let expected = "a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
                wrong(document, text, &key, expected);
            }
        }
    }
    networks
}
