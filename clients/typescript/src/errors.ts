import type { CombinedError, OperationResult } from "@urql/core";

/** An expected failure: a member of a result union that is not the payload. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: string;
  readonly path: readonly string[];

  constructor(failure: { code: string; message: string; path?: readonly string[] | null }) {
    super(failure.message);
    this.code = failure.code;
    this.path = failure.path ?? [];
  }
}

/**
 * The data of an operation in which nothing failed unexpectedly.
 *
 * @throws {CombinedError} something did. `extensions.requestId` of its errors is what to quote when reporting it.
 */
export async function dataOf<D>(pending: PromiseLike<OperationResult<D>>): Promise<D> {
  const { data, error } = await pending;
  if (error) throw error;
  return data!;
}

interface Member {
  __typename: string;
}

/**
 * The payload out of a result union.
 *
 * @throws {ApiError} for whatever else came. All of it implements `Error`, also what later versions of the server add.
 */
export function payload<R extends Member, N extends R["__typename"]>(
  result: R,
  name: N,
): Extract<R, { __typename: N }> {
  if (result.__typename === name) return result as Extract<R, { __typename: N }>;
  throw new ApiError(result as unknown as ApiError);
}

const FORBIDDEN = 4403;

/** Whether the access token is refused, by an operation's error or by the close code of the socket. */
export function isUnauthenticated({ graphQLErrors, networkError }: CombinedError): boolean {
  if (graphQLErrors.some(({ extensions }) => extensions["code"] === "UNAUTHENTICATED")) return true;
  return networkError !== undefined && "code" in networkError && networkError.code === FORBIDDEN;
}
