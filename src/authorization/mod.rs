//! What a client asks of its user, and where the answer may be sent (RFC 6749 section 4.1, OpenID Connect Core section 3).
