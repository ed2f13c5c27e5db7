// Package download downloads what the exports of deployments consist of: files and archives over HTTP, and the file systems
// of container images.
//
// Downloads are cached by the hash of their content. Archives are unpacked below os.Root, so that no name in them leads
// out of their directory. internal/download and images/source download: they retry, resume and verify, and obey
// registries.conf, policy.json and the machine's credentials. The package runs nothing.
package download
