/** The values of an observable, as they come. */
export async function* eachValueFrom(observable) {
  const values = [];
  let wake;
  let end;
  const take = (change) => {
    change();
    wake?.();
  };
  const subscription = observable.subscribe({
    next: (value) => take(() => values.push(value)),
    error: (error) => take(() => (end = { error })),
    complete: () => take(() => (end = {})),
  });
  try {
    for (;;) {
      while (values.length) yield values.shift();
      if (end?.error) throw end.error;
      if (end) return;
      await new Promise((resolve) => (wake = resolve));
    }
  } finally {
    subscription.unsubscribe();
  }
}
