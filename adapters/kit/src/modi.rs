//! The national rules of interoperability (`ModI`): bodies and identities that are signed.
