// The official conformance tests of the Gateway API, as their authors compile them: nothing is added, and nothing left out.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) { conformance.RunConformance(t) }
