import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: "../operations/*.graphql",
  generates: {
    "src/generated/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        // Every operation that this client can send, by its SHA-256: what the server's PERSISTED_DOCUMENTS names.
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        // Types only, so that Node runs the code as it is.
        useTypeImports: true,
        importExtension: ".ts",
        enumType: "string-literal",
        // What a later version of the server may send, code has to expect today.
        futureProofEnums: true,
        strictScalars: true,
        scalars: {
          ID: "string",
          DateTime: "string",
          Decimal: "string",
          JSON: "unknown",
          Long: "number",
        },
      },
    },
  },
};

export default config;
