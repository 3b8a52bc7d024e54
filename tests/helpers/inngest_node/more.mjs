// What the three functions of the example do not do: sleep, wait, invoke, fail, be cancelled.

export const moreOf = (create, effect) => {
  const child = create({ id: "child" }, { event: "never/sent" }, async ({ event, step }) =>
    step.run("double", () => effect("double", event.data.n, 2 * event.data.n)),
  );
  return [
    child,
    create({ id: "nap" }, { event: "nap/asked" }, async ({ event, step }) => {
      await step.run("lie-down", () => effect("lie-down", event.data.n, null));
      await step.sleep("nap", "1d");
      return step.run("get-up", () => effect("get-up", event.data.n, "rested"));
    }),
    create({ id: "payment" }, { event: "order/placed" }, async ({ event, step }) => {
      const paid = await step.waitForEvent("paid", {
        event: "order/paid",
        if: "async.data.order == event.data.order",
        timeout: "2d",
      });
      return step.run("close", () => effect("close", event.data.order, paid && paid.data.sum));
    }),
    create({ id: "parent" }, { event: "parent/asked" }, async ({ event, step }) => {
      const doubled = await step.invoke("ask", { function: child, data: { n: event.data.n } });
      return doubled + 1;
    }),
    create(
      { id: "failing", retries: 1, onFailure: ({ error }) => effect("on-failure", error.message, null) },
      { event: "failing/asked" },
      async ({ event, step }) => {
        await step.run("begin", () => effect("begin", event.data.n, null));
        await step.run("break", () => {
          effect("break", event.data.n, null);
          throw new Error("out of paper");
        });
      },
    ),
    create(
      { id: "parcel", cancelOn: [{ event: "order/cancelled", if: "async.data.order == event.data.order" }] },
      { event: "order/packed" },
      async ({ event, step }) => {
        await step.sleep("van", "1d");
        await step.run("deliver", () => effect("deliver", event.data.order, null));
      },
    ),
  ];
};
