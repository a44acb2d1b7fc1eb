//go:build programs

// The program that the mesh tests of the official suite run in their pods, server and client: named here so that go.mod pins it.
package programs

import (
	_ "istio.io/istio/pkg/test/echo/cmd/client"
	_ "istio.io/istio/pkg/test/echo/cmd/server"
)
