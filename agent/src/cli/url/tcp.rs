//! `tcp://HOST:PORT?send=…&expect=…`

use parallax_model::{TcpCheck, TcpStep};
use url::Url;

pub(super) fn check(url: &Url) -> Result<TcpCheck, String> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err(format!("{url} has no port; write it like tcp://example.com:5432"));
    };
    let mut talk = Vec::new();
    for (key, value) in url.query_pairs() {
        talk.push(match &*key {
            "send" => TcpStep::Send(value.into_owned()),
            "expect" => TcpStep::Expect(value.into_owned()),
            other => return Err(format!("{other:?} is unknown; send and expect are known")),
        });
    }
    Ok(TcpCheck { address: format!("{host}:{port}"), talk })
}
