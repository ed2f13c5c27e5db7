// Package testscripts tells stories of the commands: txtar files in testdata, each a script with the files that it
// needs and the exact words that it expects (github.com/rogpeppe/go-internal/testscript). It holds no logic.
package testscripts
