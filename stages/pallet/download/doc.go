// Package download gets what the exports of deployments are made of from elsewhere: files and archives over HTTP, and
// the file systems of container images.
//
// All has its place in a cache by the hash of its content, and is unpacked below os.Root: no name in an archive leads
// out of its directory. The package knows nothing of pallets beyond what is to be downloaded, runs nothing, and does
// not ask who signed an image: what matters is its digest (https://github.com/opencontainers/image-spec).
package download
