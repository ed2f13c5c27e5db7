// Package atomicfile replaces files so that a power cut leaves the old content or the new one, and locks files between
// processes. It knows nothing of what the files hold.
package atomicfile
