// Package atomicfile writes files so that a crash or power cut leaves the old content or the new one, and locks files
// between processes. A file is written to a temporary name beside it, synced and renamed, and its directory is synced.
//
// google/renameio and moby/sys/atomicwriter do not fit: they use random temporary names, which pile up when a process
// is killed, do not sync the directory, and do not serialize concurrent writers.
package atomicfile
