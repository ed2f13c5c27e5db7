// Package source brings container images to a store of blobs: from registries, and from the directories and archives
// that other tools write. It goes where containers-registries.conf(5) says, with the credentials of containers-auth.json(5)
// and the certificates of containers-certs.d(5), and takes what containers-policy.json(5) allows.
//
// The protocol is https://github.com/opencontainers/distribution-spec, spoken by go.podman.io/image. On top of it come
// patience (what breaks off goes on where it stopped, what stalls or lies is tried again and then elsewhere) and errors
// that say what to do. The package pushes nothing and keeps nothing but blobs.
package source
