// Package override lists what a device's user changed in /etc and /usr, by comparing the upperdir of an overlay with its
// lower layers, and defines the files of the state directory: the ledger, which tells since when an override hides an
// update, and what is queued to be reverted or reset at the next boot. It reads directories and mounts nothing.
package override
