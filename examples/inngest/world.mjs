// What the steps do. Each effect on the world is noted, so that others can count them: `app step id`.

export const effects = [];

export const worldOf = (app) => {
  const effect = (step, id, what) => {
    effects.push(`${app} ${step} ${id}`);
    return what;
  };
  const users = ["Ada", "Grace", "Edsger"].map((name, at) => ({ id: at + 1, name }));
  return {
    db: {
      users: {
        find: (id) => effect("get-user", id, users[id - 1]),
        list: () => effect("list-users", "all", users),
      },
    },
    mailer: {
      send: (user, text) => effect("send-mail", user.id, text.length),
      digest: (user) => effect(`digest-${user.id}`, "all", `news for ${user.name}`),
    },
    reports: {
      mark: (id, status) => effect(status === "complete" ? "mark-complete" : "mark-processing", id, status),
      generate: async (id) => {
        await new Promise((resolve) => setTimeout(resolve, 200)); // the long part
        return effect("generate", id, `report ${id}: all is well`);
      },
      upload: (id, text) => effect("upload", id, `https://files.example/${id}?size=${text.length}`),
    },
    write: (user) => effect("write-mail", user.id, `Welcome, ${user.name}!`),
  };
};
