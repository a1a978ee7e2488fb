//! What a customer can paste to test a client, language by language.
//!
//! The address is from the configuration and made of letters, digits, dots and hyphens only, so it
//! can stand in any of these without being quoted again.

use crate::document::Snippet;

/// For one host, with a port where it is not 443.
pub(super) fn snippets(authority: &str) -> Vec<Snippet> {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let url = format!("https://{authority}/");
    let all = [
        ("curl", format!("curl -sS {url}")),
        (
            "openssl s_client",
            format!("openssl s_client -connect {host}:{port} -servername {host} </dev/null"),
        ),
        (
            "Python",
            format!(
                "python3 -c \"import ssl; print(ssl.OPENSSL_VERSION)\"\n\
                 python3 -c \"import urllib.request as r; print(r.urlopen('{url}').read().decode())\"\n\
                 python3 -c \"import requests; print(requests.get('{url}').text)\""
            ),
        ),
        (
            "Java (as Check.java: javac Check.java && java Check)",
            format!(
                "public class Check {{\n  public static void main(String[] a) throws Exception {{\n    \
                 java.io.InputStream in = new java.net.URL(\"{url}\").openStream();\n    \
                 for (int b; (b = in.read()) >= 0; ) System.out.write(b);\n    \
                 System.out.flush();\n  }}\n}}"
            ),
        ),
        (
            ".NET (Windows PowerShell uses the .NET Framework)",
            format!("(New-Object Net.WebClient).DownloadString('{url}')"),
        ),
        (
            "Node.js",
            format!(
                "node -e \"require('https').get('{url}', r => r.pipe(process.stdout)).on('error', \
                 e => console.error(e.message))\""
            ),
        ),
        ("PHP", format!("php -r 'echo file_get_contents(\"{url}\");'")),
        (
            "Go (as check.go: go run check.go)",
            format!(
                "package main\n\nimport (\n  \"io\"\n  \"log\"\n  \"net/http\"\n  \"os\"\n)\n\n\
                 func main() {{\n  answer, err := http.Get(\"{url}\")\n  if err != nil {{\n    \
                 log.Fatal(err)\n  }}\n  io.Copy(os.Stdout, answer.Body)\n}}"
            ),
        ),
        ("Ruby", format!("ruby -rnet/https -e 'puts Net::HTTP.get(URI(\"{url}\"))'")),
    ];
    all.into_iter().map(|(title, code)| Snippet { title: title.to_owned(), code }).collect()
}
