// Package source downloads container images into a blob store: from registries, and from the directories and archives
// that other tools write. It obeys containers-registries.conf(5), containers-auth.json(5), containers-certs.d(5) and
// containers-policy.json(5).
//
// The protocol is https://github.com/opencontainers/distribution-spec. Manifests, signatures and configuration files are
// read by go.podman.io/image; layers by range requests of this package, so that a download that broke off continues. A
// mirror that stalls or sends wrong content is tried again and then replaced by the next. The package pushes nothing and
// stores nothing but blobs.
package source
