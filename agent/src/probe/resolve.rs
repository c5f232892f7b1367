//! Names to addresses, anew for every look.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{TokioResolver, system_conf};
use parallax_model::{ErrorKind, Family};

use super::failure::Failure;

/// Where a server listens.
const DNS_PORT: u16 = 53;

/// Most addresses of a name that a look tries.
pub(super) const ADDRESSES_MAX: usize = 6;

/// A way of resolving names, without memory.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    /// Who is asked, as a person would write it.
    name: String,
    inner: Result<TokioResolver, String>,
}

impl Resolver {
    /// The system's (`/etc/resolv.conf`, `/etc/hosts`). A configuration that cannot be read fails the looks
    /// that need it, and only those.
    pub(super) fn of_system() -> Self {
        let inner =
            system_conf::read_system_conf().and_then(|(config, options)| build(config, options));
        let unread = |e| format!("cannot read the system's resolver configuration: {e}");
        Self { name: "of the system".to_owned(), inner: inner.map_err(unread) }
    }

    /// The second server of the system's configuration, if it has one.
    pub(super) fn second_of_system() -> Option<Self> {
        let servers = system_servers().ok()?;
        Some(Self::at(SocketAddr::new(*servers.get(1)?, DNS_PORT)))
    }

    /// This server alone.
    pub(super) fn at(server: SocketAddr) -> Self {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        let mut options = ResolverOpts::default();
        options.use_hosts_file = ResolveHosts::Never;
        let inner = build(ResolverConfig::from_name_servers(vec![config]), options);
        let ip = server.ip().to_string();
        let name = if server.port() == DNS_PORT { ip } else { server.to_string() };
        Self { name, inner: inner.map_err(|e| e.to_string()) }
    }

    /// Who is asked.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The addresses of `name`, IPv4 first, at most [`ADDRESSES_MAX`], at least one.
    pub(super) async fn addresses(
        &self,
        name: &str,
        family: Family,
    ) -> Result<Vec<IpAddr>, Failure> {
        let resolver = self.inner.as_ref().map_err(|why| Failure::new(ErrorKind::Internal, why))?;
        let found = resolver.lookup_ip(name).await.map_err(|e| explain(&e, name))?;
        let wanted = |ip: &IpAddr| match family {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        };
        let mut addresses: Vec<IpAddr> = found.iter().filter(wanted).collect();
        // a machine without IPv6 has one failure less to go through, one with it loses nothing
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            let of = match family {
                Family::Any => "",
                Family::V4 => "IPv4 ",
                Family::V6 => "IPv6 ",
            };
            let why = format!("{name} has no {of}address");
            return Err(Failure::new(ErrorKind::DnsNxdomain, why));
        }
        Ok(addresses)
    }
}

/// The servers the system asks.
pub(super) fn system_servers() -> Result<Vec<IpAddr>, Failure> {
    let (config, _) = system_conf::read_system_conf().map_err(|e| {
        let why = format!("cannot read the system's resolver configuration: {e}");
        Failure::new(ErrorKind::Internal, why)
    })?;
    Ok(config.name_servers().iter().map(|server| server.ip).collect())
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    // every look asks anew
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let mut builder = TokioResolver::builder_with_config(
        config,
        hickory_resolver::net::runtime::TokioRuntimeProvider::default(),
    );
    *builder.options_mut() = options;
    builder.build()
}

fn explain(error: &NetError, name: &str) -> Failure {
    let failure = |kind, what: &str| Failure::new(kind, format!("{name}: {what}"));
    if matches!(error, NetError::Timeout) {
        return failure(ErrorKind::DnsTimeout, "the resolver does not answer");
    }
    let code = if let NetError::Dns(DnsError::NoRecordsFound(none)) = error {
        Some(none.response_code)
    } else if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        Some(*code)
    } else {
        None
    };
    match code {
        Some(code) => {
            let (kind, what) = rcode(code);
            failure(kind.unwrap_or(ErrorKind::DnsNxdomain), &what)
        }
        None => failure(ErrorKind::DnsServfail, &format!("the resolver failed: {error}")),
    }
}

/// What a response code says; no kind for "no error".
pub(super) fn rcode(code: ResponseCode) -> (Option<ErrorKind>, String) {
    if code == ResponseCode::NoError {
        (None, "has no address".into())
    } else if code == ResponseCode::NXDomain {
        (Some(ErrorKind::DnsNxdomain), "no such name".into())
    } else if code == ResponseCode::ServFail {
        (Some(ErrorKind::DnsServfail), "the resolver says SERVFAIL".into())
    } else if code == ResponseCode::Refused {
        (Some(ErrorKind::DnsRefused), "the resolver refuses to answer".into())
    } else {
        (Some(ErrorKind::DnsServfail), format!("the resolver says {code}"))
    }
}
