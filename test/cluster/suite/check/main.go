// Says of each report that it is given whether it shows conformance, as the Gateway API's own code judges it.
package main

import (
	"fmt"
	"os"

	v1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		var report v1.ConformanceReport
		if err := yaml.UnmarshalStrict(text, &report); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			os.Exit(2)
		}
		_, mesh, err := report.IsConformant(report.GatewayAPIVersion)
		if err != nil || mesh != v1.Success {
			fmt.Printf("%s: not conformant as a mesh: %s, %v\n", file, mesh, err)
			os.Exit(1)
		}
		fmt.Printf("%s: conformant as a mesh\n", file)
	}
}
