package compose

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkLoad loads a typical app.
func BenchmarkLoad(b *testing.B) {
	s := Source{Name: "a", Dir: "packages/a", Files: []File{{Name: "compose.yml", Content: []byte(typicalApp)}}}
	for b.Loop() {
		if _, err := Load(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

const typicalApp = `
services:
  server:
    image: docker.io/library/caddy:2.8.4@sha256:0123456789012345678901234567890123456789012345678901234567890123
    command: [caddy, run]
    environment: {HOME: /data, TAG: "${TAG:-x}"}
    ports: ["80:80", "443:443/tcp"]
    volumes:
      - ./Caddyfile:/etc/caddy/Caddyfile:ro
      - data:/data
    labels: {caddy: ":80", caddy.handle: /x/*}
    networks: [ingress]
    restart: unless-stopped
    deploy: {resources: {limits: {cpus: "1"}}}
volumes: {data: {}}
networks: {ingress: {name: ingress, external: true}}
`

// TestSchemaIsCompiledOnce bounds the work of a second load: compiling the schema takes 80,000 allocations.
func TestSchemaIsCompiledOnce(t *testing.T) {
	s := Source{Name: "a", Dir: "packages/a", Files: []File{{Name: "compose.yml", Content: []byte(typicalApp)}}}
	allocations := testing.AllocsPerRun(5, func() {
		_, err := Load(t.Context(), s)
		require.NoError(t, err)
	})
	require.Less(t, allocations, 15_000.0)
}
