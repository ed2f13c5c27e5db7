package debian

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseKeys(t *testing.T) {
	binary := "\x99\x01\x02 a public key packet"
	body := base64.StdEncoding.EncodeToString([]byte(binary))
	armored := "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n" + body[:20] + "\n" + body[20:] + "\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
	for name, test := range map[string]struct{ in, want, err string }{
		"armored":              {in: armored, want: armored},
		"CRLF":                 {in: strings.ReplaceAll(armored, "\n", "\r\n"), want: armored},
		"byte order mark":      {in: "\xef\xbb\xbf" + armored, want: armored},
		"both":                 {in: "\xef\xbb\xbf" + strings.ReplaceAll(armored, "\n", "\r\n"), want: armored},
		"text around it":       {in: "Our key:\n" + armored + "\nThanks\n", want: armored},
		"two blocks":           {in: armored + armored, want: armored + armored},
		"binary":               {in: binary, want: binary},
		"binary, new format":   {in: "\xc6\x03abc", want: "\xc6\x03abc"},
		"HTML":                 {in: "\n<!DOCTYPE html><html><body>404</body></html>", err: "is an HTML page, such as a server's error page; download the key again"},
		"HTML with a BOM":      {in: "\xef\xbb\xbf<html>", err: "is an HTML page, such as a server's error page; download the key again"},
		"XML":                  {in: "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", err: "is an HTML page, such as a server's error page; download the key again"},
		"private":              {in: "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ==\n", err: "is a private key; export the public key with gpg --export --armor"},
		"private, PEM":         {in: "-----BEGIN RSA PRIVATE KEY-----\n", err: "is a private key; export the public key with gpg --export --armor"},
		"signature":            {in: "-----BEGIN PGP SIGNATURE-----\n", err: "is a PGP signature or message, not a public key"},
		"certificate":          {in: "-----BEGIN CERTIFICATE-----\n", err: "is an X.509 certificate, not an OpenPGP public key"},
		"SSH":                  {in: "ssh-ed25519 AAAA me", err: "is an SSH key, not an OpenPGP public key"},
		"JSON":                 {in: `{"message": "Not Found"}`, err: "is JSON, not an OpenPGP public key"},
		"keybox":               {in: "\x00\x00\x00\x20\x01\x01\x00\x02KBXf", err: "is a keybox of GnuPG; export the key from it with gpg --export"},
		"gzip":                 {in: "\x1f\x8b\x08", err: "is compressed; unpack it"},
		"UTF-16":               {in: "\xff\xfe-\x00", err: "is UTF-16; save it as UTF-8"},
		"empty":                {in: " \n", err: "is empty; download the key again"},
		"text":                 {in: "hello", err: "is not an OpenPGP public key"},
		"secret key, binary":   {in: "\x95\x01", err: "is not an OpenPGP public key"},
		"truncated":            {in: armored[:60], err: "is truncated: the line -----END PGP PUBLIC KEY BLOCK----- is missing; download the key again"},
		"damaged":              {in: strings.Replace(armored, body[:4], "!!!!", 1), err: "is damaged; download the key again"},
		"armored, not a key":   {in: strings.Replace(armored, body[:4], "AAAA", 1), err: "is damaged; download the key again"},
		"armored, HTML within": {in: strings.Replace(armored, "\n\n", "\n\n<br>\n", 1), err: "is damaged; download the key again"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseKeys([]byte(test.in))
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, string(got))
		})
	}
}
