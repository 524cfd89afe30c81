"""Built-in rules about operations: git, clusters, infrastructure, production."""

from __future__ import annotations

from typing import Any

from .rules import N_

PROTECTED = ("main", "master", "trunk", "develop", "production", "prod", "stable", "release", "release/*", "release-*",
             "releases/*", "hotfix/*")  # fmt: skip
PRODUCTION = ("prod", "prod-*", "*-prod", "*-prod-*", "prod_*", "*_prod", "prd", "prd-*", "*-prd", "production",
              "production-*", "*-production", "*production*", "live", "live-*", "*-live")  # fmt: skip
ENGINE = ("attach|build|builder|commit|container|cp|create|diff|events|exec|export|history|image|images|import|info|"
          "inspect|kill|load|logs|network|node|pause|port|ps|pull|push|rename|restart|rm|rmi|run|save|secret|service|"
          "stack|start|stats|stop|swarm|system|tag|top|unpause|update|volume|wait")  # fmt: skip
COMPOSE = ("attach|build|commit|cp|create|down|events|exec|images|kill|logs|ls|pause|port|ps|pull|push|restart|rm|run|"
           "scale|start|stats|stop|top|unpause|up|wait|watch")  # fmt: skip
FORCE = "--force|-f|--force-with-lease|--force-if-includes|--mirror|--delete|-d|--prune"

OPERATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("catastrophe", {
        "name": "rewriting-a-protected-branch",
        "reason": N_("It rewrites or deletes a branch that others build on."),
        "command": (f"git push {FORCE}", "git push ** +*", "git push ** :*"),
        "branch": PROTECTED,
        "match": ("git push --force origin main", "git push -f origin HEAD:master", "git push origin +main",
                  "git push origin :release/1.0", "git -C x push --mirror", "git push --force"),
        "not_match": ("git push origin main", "git push --force origin topic", "git push"),
    }),
    ("catastrophe", {
        "name": "rewriting-history",
        "reason": N_("It rewrites the whole history, or removes what could bring it back."),
        "command": ("git filter-branch", "git filter-repo", "bfg", "git reflog expire",
                    "git gc --prune=now|--prune=all",
                    "git update-ref -d", "git replace", "git push --mirror", "git remote ** set-url --push",
                    "git prune --expire=now"),
        "match": ("git filter-branch --tree-filter 'rm x' HEAD", "git reflog expire --expire=now --all"),
        "not_match": ("git gc", "git reflog", "git rebase -i HEAD~3"),
    }),
    ("question", {
        "name": "git-that-runs-programs",
        "reason": N_("It makes git run programs by itself from now on."),
        "command": ("git config ** core.hooksPath|core.hookspath|core.fsmonitor|core.sshCommand|core.sshcommand",
                    "git config ** core.editor|core.pager|alias.*|credential.helper|diff.external|*.textconv|*.command",
                    "git config ** filter.*|uploadpack.*|protocol.ext.allow|init.templateDir|include.path",
                    "git -c core.hooksPath=*", "git -c core.fsmonitor=*", "git -c core.sshCommand=*",
                    "git -c alias.*=!*", "git -c protocol.ext.allow=*"),
        "match": ("git config --global core.hooksPath /tmp/h",),
        "not_match": ("git config user.name x", "git config --get core.hooksPathX"),
    }),
    ("question", {
        "name": "losing-uncommitted-work",
        "reason": N_("It throws away work that no commit holds."),
        "command": ("git clean -x|-X -f|--force", "git stash clear|drop"),
        "match": ("git clean -fdx", "git stash clear"),
        "not_match": ("git clean -n", "git stash pop"),
    }),
    ("catastrophe", {
        "name": "deleting-in-a-cluster",
        "reason": N_("It deletes a namespace or many objects of a cluster."),
        "command": ("kubectl|oc delete namespace|namespaces|ns|project", "kubectl|oc delete --all|--all-namespaces|-A",
                    "kubectl|oc delete ns/*|namespace/*|namespaces/*",
                    "kubectl|oc delete node|nodes|pv|persistentvolume|persistentvolumes|crd|crds",
                    "kubectl|oc delete clusterrole|clusterrolebinding",
                    "kubectl|oc delete pvc|persistentvolumeclaim|statefulset|sts", "kubectl|oc drain",
                    "kubectl|oc replace --force", "kubeadm reset", "k3s-uninstall.sh", "kops delete",
                    "eksctl delete", "minikube delete --all", "etcdctl del", "velero delete|backup"),
        "match": ("kubectl delete ns shop", "kubectl -n x delete pods --all", "kubectl delete namespace/shop",
                  "oc delete project x"),
        "not_match": ("kubectl get ns", "kubectl delete pod x", "kubectl -n shop get pods"),
    }),
    ("question", {
        "name": "production-namespace",
        "reason": N_("It works in a namespace of production."),
        "command": ("*",),
        "namespace": PRODUCTION,
        "match": ("kubectl -n prod get pods", "helm uninstall x --namespace production", "kubens prod"),
        "not_match": ("kubectl -n staging get pods", "kubectl get pods -n product-catalog"),
    }),
    ("question", {
        "name": "production-context",
        "reason": N_("It works in a context of production."),
        "command": ("*",),
        "context": PRODUCTION,
        "match": ("kubectl --context prod-eu get pods", "kubectx prod", "kubectl config use-context live",
                  "helm --kube-context prod list", "aws --profile prod s3 ls", "terraform workspace select prod"),
        "not_match": ("kubectl --context staging get pods",),
    }),
    ("question", {
        "name": "production-host",
        "reason": N_("It works on a host of production."),
        "command": ("ssh|scp|sftp|rsync|ansible|psql|mysql|mongosh|redis-cli|mosh",),
        "host": ("prod", "prod-*", "*-prod", "*-prod-*", "prod.*", "*.prod.*", "*-prod.*", "prod[0-9]*", "production*",
                 "*.production.*", "*-production.*", "live.*", "*-live.*"),
        "match": ("ssh prod-db1 uptime", "psql -h db.prod.example.com"),
        "not_match": ("ssh staging uptime", "ssh produce.example.com"),
    }),
    ("question", {
        "name": "production-elsewhere",
        "reason": N_("It runs on a host of production."),
        "through": ("ssh",),
        "host": ("prod", "prod-*", "*-prod", "*-prod-*", "prod.*", "*.prod.*", "*-prod.*", "prod[0-9]*", "production*",
                 "*.production.*", "*-production.*", "live.*", "*-live.*"),
        "match": ("ssh deploy@prod-db1 uptime",),
    }),
    ("question", {
        "name": "uninstalling-a-release",
        "reason": N_("It takes a release out of a cluster."),
        "command": ("helm uninstall|delete|del|un|rollback", "helmfile destroy|delete", "argocd app delete",
                    "flux uninstall|delete", "istioctl uninstall", "kubectl|oc delete -f|--filename|-k|-l|--selector",
                    "kubectl|oc scale --replicas=0", "kubectl|oc scale ** 0", "docker stack rm",
                    "nomad job stop|purge"),
        "match": ("helm uninstall web", "kubectl delete -f app.yaml"),
        "not_match": ("helm list", "helm upgrade web ./chart"),
    }),
    ("catastrophe", {
        "name": "destroying-infrastructure",
        "reason": N_("It destroys infrastructure."),
        "command": ("terraform|tofu|terragrunt destroy|run-all", "terraform|tofu|terragrunt apply -destroy|--destroy",
                    "terraform|tofu state rm", "terraform|tofu workspace delete", "terraform|tofu force-unlock",
                    "terraform|tofu taint", "vagrant destroy", "cdktf destroy",
                    "docker system prune -a|--all|--volumes", "docker volume prune", "docker volume rm",
                    "podman system reset|prune", "docker-compose down -v|--volumes", "docker compose down -v|--volumes",
                    "virsh undefine|destroy", "lxc delete", "qm destroy"),
        "match": ("terraform destroy -auto-approve", "terraform -chdir=x destroy", "tofu apply -destroy",
                  "docker volume prune -f"),
        "not_match": ("terraform plan", "terraform init", "docker compose down", "docker volume ls"),
    }),
    ("question", {
        "name": "changing-infrastructure",
        "reason": N_("It changes infrastructure."),
        "command": ("terraform|tofu|terragrunt apply|import", "pulumi up", "cdk deploy",
                    "ansible-playbook", "aws cloudformation deploy|update-stack", "serverless|sls deploy"),
        "sandbox": "outside",
        "match": ("terraform apply", "ansible-playbook site.yml"),
        "not_match": ("terraform plan",),
    }),
    ("question", {
        "name": "container-with-the-machine",
        "reason": N_("It starts a container that holds the machine's own rights or files."),
        "command": ("docker|podman run|create|exec --privileged",
                    "docker|podman run|create --pid=host|--ipc=host|--userns=host|--net=host|--network=host",
                    "docker|podman run|create -v=/:*|--volume=/:*", "docker|podman run|create ** /:/*",
                    "docker|podman run|create ** /var/run/docker.sock:*", "docker|podman run ** *src=/,*|*source=/,*",
                    "docker|podman run --cap-add|--device|--security-opt"),
        "match": ("docker run --privileged alpine", "docker run -v /:/host alpine",
                  "docker run -v /var/run/docker.sock:/var/run/docker.sock x"),
        "not_match": ("docker run --rm -v $PWD:/w alpine ls",),
    }),
    ("refusal", {
        "name": "docker-without-its-grant",
        "reason": N_("The Docker engine lies outside the sandbox: who may command it has all rights of this machine."),
        "command": (f"docker {ENGINE}", f"docker compose {COMPOSE}", f"docker-compose {COMPOSE}",
                    "docker buildx build|bake"),
        "without": ("docker",),
        "match": ("docker build -t app .", "docker push localhost:5000/app:1", "docker compose up -d",
                  "sh -c 'docker ps'", "docker-compose build", ("python", "import os; os.system('docker ps')")),
        "not_match": ("docker --version", "docker compose config", "podman build .", "grep docker Makefile"),
    }),
)  # fmt: skip
