//! SASL without IO (RFC 4422): PLAIN (RFC 4616) and SCRAM (RFC 5802, RFC 7677), shared by both protocols.
